import { Result, Schema } from "effect"
import { createPublicKey, type KeyObject, sign } from "node:crypto"
import { encodeEcdsaSignature } from "../command/authorisedPolicy.ts"
import { Algorithm, EccCurve } from "../structures/Algorithm.ts"
import { toHex } from "../structures/Hex.ts"
import type { EccPublic } from "../structures/TpmtPublic.ts"
import type { ApprovedPolicy } from "./ImagePolicy.ts"
import { IMAGE_PCRS, pcrPolicy, POLICY_REFERENCE } from "./policyDigest.ts"

/** The operator's key is not one that a TPM verifies with. */
export class UnfitOperatorKey extends Schema.TaggedError<UnfitOperatorKey>()("UnfitOperatorKey", {
  message: Schema.String
}) {}

/** sign and userWithAuth (TPM 2.0 part 2, 8.3), which a key from outside may have. */
const ATTRIBUTES = 0x0004_0040

/** The public area of the operator's key as every TPM loads it: its Name is in the policy of the store. */
export const operatorKeyPublic = (key: KeyObject): Result.Result<EccPublic, UnfitOperatorKey> => {
  const { crv, x, y } = (key.type === "private" ? createPublicKey(key) : key).export({ format: "jwk" })
  if (crv !== "P-256" || x === undefined || y === undefined) {
    return Result.fail(
      new UnfitOperatorKey({
        message: "The key is not one of the curve P-256. Make one: openssl genpkey -algorithm EC -pkeyopt " +
          "ec_paramgen_curve:P-256 -out image-key.pem"
      })
    )
  }
  const coordinate = (text: string) => new Uint8Array(Buffer.from(text, "base64url"))
  return Result.succeed({
    type: Algorithm.ecc,
    nameAlgorithm: Algorithm.sha256,
    attributes: ATTRIBUTES,
    authPolicy: new Uint8Array(),
    symmetric: { algorithm: Algorithm.null },
    scheme: { algorithm: Algorithm.null },
    curve: EccCurve.p256,
    kdf: { algorithm: Algorithm.null },
    x: coordinate(x),
    y: coordinate(y)
  })
}

/** Approves an image by the values of PCRs that it boots with, by their numbers: signs the policy over them. */
export const approveImage = (key: KeyObject, values: ReadonlyMap<number, Uint8Array>): ApprovedPolicy => {
  const rising = [...values].sort(([left], [right]) => left - right)
  const pcrs = rising.map(([pcr]) => pcr)
  const policy = pcrPolicy({ ...IMAGE_PCRS, pcrs }, rising.map(([, value]) => value))
  // The data is hashed by sign: aHash is the hash of policy and reference.
  const data = Buffer.concat([policy, POLICY_REFERENCE])
  const signature = sign("sha256", data, { key, dsaEncoding: "ieee-p1363" })
  return {
    policy: toHex(policy),
    signature: toHex(encodeEcdsaSignature(signature.subarray(0, 32), signature.subarray(32))),
    // So that an agent which knows of no others reads what it can use.
    ...pcrs.join() === IMAGE_PCRS.pcrs.join() ? {} : { pcrs }
  }
}
