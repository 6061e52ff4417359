import type { Result } from "effect"
import { Algorithm } from "../structures/Algorithm.ts"
import { type ByteReader, readWhole } from "../structures/ByteReader.ts"
import { ByteWriter } from "../structures/ByteWriter.ts"
import type { MalformedStructure } from "../structures/MalformedStructure.ts"

/** TPMS_SIGNATURE_ECDSA (TPM 2.0 part 2, 11.3.2); r and s are big-endian and may have lost their leading zeros. */
export interface EcdsaSignature {
  readonly algorithm: typeof Algorithm.ecdsa
  /** TPM_ALG_ID of the hash that was signed. */
  readonly hash: number
  readonly r: Uint8Array
  readonly s: Uint8Array
}

/** TPMS_SIGNATURE_RSASSA (TPM 2.0 part 2, 11.3.1). */
export interface RsassaSignature {
  readonly algorithm: typeof Algorithm.rsassa
  readonly hash: number
  readonly signature: Uint8Array
}

/** TPMT_SIGNATURE (TPM 2.0 part 2, 11.3.4) of the two schemes that this package verifies. */
export type TpmtSignature = EcdsaSignature | RsassaSignature

/** Bytes of the longest coordinate, P-521, and of the longest RSA signature, RSA-4096. */
const MAX_COORDINATE = 66
const MAX_RSA = 512

const readSignature = (reader: ByteReader): TpmtSignature => {
  const algorithm = reader.u16("sigAlg")
  if (algorithm !== Algorithm.ecdsa && algorithm !== Algorithm.rsassa) {
    return reader.fail("sigAlg", `is 0x${algorithm.toString(16)}, expected ECDSA (0x18) or RSASSA (0x14)`)
  }
  const hash = reader.u16("hash")
  if (algorithm === Algorithm.rsassa) return { algorithm, hash, signature: reader.sized("sig", MAX_RSA) }
  const r = reader.sized("signatureR", MAX_COORDINATE)
  return { algorithm, hash, r, s: reader.sized("signatureS", MAX_COORDINATE) }
}

/** Reads a TPMT_SIGNATURE that fills `bytes` exactly, as `tpm2_quote -s` writes it. */
export const decodeTpmtSignature = (bytes: Uint8Array): Result.Result<TpmtSignature, MalformedStructure> =>
  readWhole(bytes, "TPMT_SIGNATURE", readSignature)

/** The bytes of a TPMT_SIGNATURE. */
export const encodeTpmtSignature = (signature: TpmtSignature): Uint8Array => {
  const writer = new ByteWriter().u16(signature.algorithm).u16(signature.hash)
  return signature.algorithm === Algorithm.rsassa
    ? writer.sized(signature.signature).done()
    : writer.sized(signature.r).sized(signature.s).done()
}
