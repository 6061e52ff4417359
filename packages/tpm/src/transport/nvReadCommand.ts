import type { Result } from "effect"
import { readWhole } from "../structures/ByteReader.ts"
import { ByteWriter } from "../structures/ByteWriter.ts"
import type { MalformedStructure } from "../structures/MalformedStructure.ts"

const NO_SESSIONS = 0x8001
const SESSIONS = 0x8002
const NV_READ = 0x0000_014e
const OWNER = 0x4000_0001
const PASSWORD_SESSION = 0x4000_0009

/** What a TPM answered: the bytes of an index, or the code it refuses with (TPM 2.0 part 2, 6.6). */
export type NvReadAnswer =
  | { readonly answer: "data"; readonly data: Uint8Array }
  | { readonly answer: "refused"; readonly code: number }

/**
 * TPM2_NV_Read (TPM 2.0 part 3, 31.13) of an index of the owner, whose password is empty: the bytes that go to the TPM
 * (part 1, 18: header, handles, authorisation area, parameters).
 */
export const nvReadCommand = (index: number, offset: number, size: number): Uint8Array => {
  const session = new ByteWriter().u32(PASSWORD_SESSION).u16(0).u8(0).u16(0).done()
  const rest = new ByteWriter().u32(NV_READ).u32(OWNER).u32(index).u32(session.length).bytes(session).u16(size)
    .u16(offset).done()
  return new ByteWriter().u16(SESSIONS).u32(rest.length + 6).bytes(rest).done()
}

/** Most bytes of a response, as the kernel's buffer has (TPM_BUFSIZE, drivers/char/tpm/tpm.h). */
export const RESPONSE_BYTES = 4096

/** Whether a response is all there, by the size that it begins with. */
export const isWhole = (response: Uint8Array): boolean => {
  if (response.length < 10) return false
  const size = new DataView(response.buffer, response.byteOffset).getUint32(2)
  return response.length >= Math.min(size, RESPONSE_BYTES)
}

/** Reads the response to `nvReadCommand`. One of another size than was asked for is malformed. */
export const readNvReadAnswer = (bytes: Uint8Array, size: number): Result.Result<NvReadAnswer, MalformedStructure> =>
  readWhole(bytes, "response", (reader): NvReadAnswer => {
    const tag = reader.u16("tag")
    if (reader.u32("size") !== bytes.length) return reader.fail("size", "is not that of the response")
    const code = reader.u32("code")
    if (code !== 0) {
      return tag === NO_SESSIONS ? { answer: "refused", code } : reader.fail("tag", "is not that of a refusal")
    }
    if (tag !== SESSIONS) return reader.fail("tag", "is not that of a response with sessions")
    if (reader.u32("parameters") !== size + 2) return reader.fail("parameters", `are not those of ${size} bytes`)
    const data = reader.sized("data", size)
    if (data.length !== size) return reader.fail("data", `is ${data.length} bytes long, expected ${size}`)
    reader.bytes("session", reader.remaining)
    return { answer: "data", data }
  })
