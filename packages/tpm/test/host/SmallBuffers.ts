import { CommandCode } from "../../src/command/CommandCode.ts"
import { Property } from "../../src/command/getCapability.ts"
import type { Tcti } from "../../src/transport/Tcti.ts"
import { goBetween, refusal } from "./GoBetween.ts"

/** The least that a TPM of a PC may take at once, in bytes (PC Client Platform Profile). */
export const SMALL_BUFFER = 512

/** The TPM_RC_SIZE of a second parameter. */
const TOO_LARGE = 0x2d5

/** Bytes of a write beside its data, with the longest authorisations that there are: a policy and an HMAC session. */
const BESIDE_DATA = 108

/**
 * A way to a swtpm that says it has a TPM_PT_NV_BUFFER_MAX of 512, and refuses what is larger: swtpm's own is 1024 and
 * cannot be set.
 */
export const smallBuffers = (behind: Tcti) =>
  goBetween(behind, {
    command: (code, bytes) =>
      // The size stands before the last two bytes of a read.
      (code === CommandCode.nvRead && bytes.readUInt16BE(bytes.length - 4) > SMALL_BUFFER) ||
        (code === CommandCode.nvWrite && bytes.length > SMALL_BUFFER + BESIDE_DATA)
        ? refusal(TOO_LARGE)
        : "the TPM's",
    response: (code, bytes) => {
      if (code !== CommandCode.getCapability) return bytes
      // A list of properties: 10 bytes of frame, moreData, the capability, their number, then pairs of 32 bits.
      for (let at = 19; at + 8 <= bytes.length; at += 8) {
        if (bytes.readUInt32BE(at) === Property.nvBufferMax) bytes.writeUInt32BE(SMALL_BUFFER, at + 4)
      }
      return bytes
    }
  })
