import { createHash } from "node:crypto"
import { CommandCode } from "../command/CommandCode.ts"
import { encodePcrSelection, type PcrSelection } from "../command/pcr.ts"
import { Algorithm } from "../structures/Algorithm.ts"
import { ByteWriter } from "../structures/ByteWriter.ts"

/**
 * What an approval is of that names no PCRs: what systemd-stub measures beside an image, which is the arguments, credentials
 * and extensions that others give it (systemd-stub(7)). The image itself is not among it.
 */
export const IMAGE_PCRS: PcrSelection = { bank: Algorithm.sha256, pcrs: [12, 13, 14] }

/**
 * What an approval may be of: also firmware (0), its drivers (2), what the firmware started, which is the image (4), and
 * Secure Boot (7). All of it is measured before anything of the image runs. What systemd goes on to extend (11) is not.
 */
export const APPROVABLE_PCRS: PcrSelection = { bank: Algorithm.sha256, pcrs: [0, 2, 4, 7, 12, 13, 14] }

/** What an approval should be of: the image, and what it is given. */
export const PROPOSED_PCRS: PcrSelection = { bank: Algorithm.sha256, pcrs: [4, 12, 13, 14] }

/** Keeps signatures of images apart from whatever else the key signs. */
export const POLICY_REFERENCE: Uint8Array = new TextEncoder().encode("patela image 1")

const START = new Uint8Array(32)

const sha256 = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const hash = createHash("sha256")
  for (const part of parts) hash.update(part)
  return new Uint8Array(hash.digest())
}

const code = (value: number): Uint8Array => new ByteWriter().u32(value).done()

/** The digest of a policy of PolicyPCR alone over PCRs of these values, in rising order (TPM 2.0 part 3, 23.7). */
export const pcrPolicy = (selection: PcrSelection, values: ReadonlyArray<Uint8Array>): Uint8Array =>
  sha256(START, code(CommandCode.policyPcr), encodePcrSelection(selection), sha256(...values))

/** The digest of a policy of PolicyAuthorize alone, by a key's Name and a reference (TPM 2.0 part 3, 23.16 and 23.2.3). */
export const authorisedPolicy = (keyName: Uint8Array, reference: Uint8Array): Uint8Array =>
  sha256(sha256(START, code(CommandCode.policyAuthorize), keyName), reference)

/** What the key signs to approve a policy: aHash (TPM 2.0 part 3, 23.16.1). */
export const approvalDigest = (policy: Uint8Array, reference: Uint8Array): Uint8Array => sha256(policy, reference)
