import { Result, Schema } from "effect"
import { Algorithm, EccCurve } from "../structures/Algorithm.ts"
import { decodePublicHex, type TpmtPublic } from "../structures/TpmtPublic.ts"
import { departureFrom, type Template } from "./template.ts"

/** A public key is not an attestation key of Patela. `field` names the first field that departs from the template. */
export class NotAnAttestationKey extends Schema.TaggedError<NotAnAttestationKey>()("NotAnAttestationKey", {
  field: Schema.String,
  message: Schema.String
}) {}

/** A public key that is exactly an attestation key; only `checkAttestationKey` makes one. */
export interface AttestationKey {
  readonly public: TpmtPublic
}

/**
 * A P-256 key that signs only what the TPM itself made (restricted) and cannot leave it. The attributes are fixedTPM,
 * fixedParent, sensitiveDataOrigin, userWithAuth, noDA, restricted, sign (TPM 2.0 part 2, 8.3). A software key
 * passes for one wherever a single one of these bits is not demanded.
 */
export const attestationKeyTemplate: Template = {
  title: "the attestation key of Patela",
  type: Algorithm.ecc,
  nameAlgorithm: Algorithm.sha256,
  attributes: 0x0005_0472,
  authPolicy: "",
  symmetric: { algorithm: Algorithm.null },
  scheme: { algorithm: Algorithm.ecdsa, hash: Algorithm.sha256 },
  curve: EccCurve.p256
}

/** Accepts a key only when every field is as in the template, and its point lies on the curve. */
export const checkAttestationKey = (key: TpmtPublic): Result.Result<AttestationKey, NotAnAttestationKey> => {
  const departure = departureFrom(attestationKeyTemplate, key)
  return departure === undefined ? Result.succeed({ public: key }) : Result.fail(new NotAnAttestationKey(departure))
}

/** From the wire, a TPM2B_PUBLIC in hexadecimal digits, to a checked attestation key. */
export const attestationKeyFromHex = (text: string): Result.Result<AttestationKey, NotAnAttestationKey> =>
  decodePublicHex(text).pipe(
    Result.mapError(({ field, message }) => new NotAnAttestationKey({ field, message })),
    Result.flatMap(checkAttestationKey)
  )
