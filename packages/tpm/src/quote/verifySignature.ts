import { Result } from "effect"
import { verify } from "node:crypto"
import { Algorithm } from "../structures/Algorithm.ts"
import { ByteWriter } from "../structures/ByteWriter.ts"
import { bankName, type HashAlgorithm, hashAlgorithmOf } from "../structures/HashAlgorithm.ts"
import { publicKeyOf } from "../structures/publicKeyOf.ts"
import { coordinateSize, paddedTo, type TpmtPublic } from "../structures/TpmtPublic.ts"
import { QuoteRefused } from "./QuoteRefused.ts"
import type { TpmtSignature } from "./TpmtSignature.ts"

const refused = (field: string, message: string): Result.Result<never, QuoteRefused> =>
  Result.fail(new QuoteRefused({ field: `TPMT_SIGNATURE.${field}`, message: `TPMT_SIGNATURE.${field} ${message}` }))

/** node:crypto throws where a key is too small for the hash or the scheme. */
const verifies = (verification: () => boolean): boolean => {
  try {
    return verification()
  } catch {
    return false
  }
}

/**
 * Whether a key signed these bytes. The signature must be of the key's own scheme and hash, or whoever sent it could
 * choose a weaker one. r and s are taken with or without leading zeros, and never longer than the curve's field; node
 * takes them side by side at full length (IEEE P1363), so no DER is made. Gives the hash of the scheme.
 */
export const verifySignature = (
  key: TpmtPublic,
  bytes: Uint8Array,
  signature: TpmtSignature
): Result.Result<HashAlgorithm, QuoteRefused> => {
  const hash = hashAlgorithmOf(signature.hash)
  if (signature.algorithm !== key.scheme.algorithm) {
    return refused("sigAlg", "is not the scheme of the attestation key")
  }
  if (!("hash" in key.scheme) || key.scheme.hash !== signature.hash || hash === undefined || hash.name === "sha1") {
    return refused("hash", `is ${bankName(signature.hash)}, which is not the hash of the attestation key`)
  }
  const publicKey = publicKeyOf(key)
  if (publicKey === undefined) return refused("sig", "cannot be verified: the attestation key is not a usable key")
  if (signature.algorithm === Algorithm.rsassa) {
    return key.type === Algorithm.rsa &&
        verifies(() => verify(hash.name, bytes, publicKey, signature.signature))
      ? Result.succeed(hash)
      : refused("sig", "is not that of the attestation key over this quote")
  }
  if (key.type !== Algorithm.ecc) return refused("sigAlg", "is not the scheme of the attestation key")
  const size = coordinateSize(key.curve)
  if (signature.r.length > size || signature.s.length > size) {
    return refused("signatureR", `or signatureS is longer than ${size} bytes`)
  }
  const r = paddedTo(size, signature.r) ?? signature.r
  const s = paddedTo(size, signature.s) ?? signature.s
  const pair = new ByteWriter().bytes(r).bytes(s).done()
  return verifies(() => verify(hash.name, bytes, { key: publicKey, dsaEncoding: "ieee-p1363" }, pair))
    ? Result.succeed(hash)
    : refused("signatureS", "is not that of the attestation key over this quote")
}
