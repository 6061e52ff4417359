import { createHash } from "node:crypto"
import { CommandCode } from "../command/CommandCode.ts"
import { encodePcrSelection, type PcrSelection } from "../command/pcr.ts"
import { Algorithm } from "../structures/Algorithm.ts"
import { ByteWriter } from "../structures/ByteWriter.ts"

/** What the boot loader's stub measures of an image: arguments, credentials, extensions (systemd-stub(7)). */
export const IMAGE_PCRS: PcrSelection = { bank: Algorithm.sha256, pcrs: [12, 13, 14] }

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
