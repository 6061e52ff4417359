import type { EndorsementKeyKind } from "@patela/domain/attestation/EndorsementKeyKind"
import { Result, Schema } from "effect"
import { Algorithm, EccCurve } from "../structures/Algorithm.ts"
import { decodePublicHex, type TpmtPublic } from "../structures/TpmtPublic.ts"
import { departureFrom, type Template } from "./template.ts"

/** A public key is not an endorsement key of the TCG profile. `field` names the first field that departs from it. */
export class NotAnEndorsementKey extends Schema.TaggedError<NotAnEndorsementKey>()("NotAnEndorsementKey", {
  field: Schema.String,
  message: Schema.String
}) {}

/** A public key that is exactly an endorsement key; only `checkEndorsementKey` makes one. */
export interface EndorsementKey {
  readonly kind: EndorsementKeyKind
  readonly public: TpmtPublic
}

/** fixedTPM, fixedParent, sensitiveDataOrigin, adminWithPolicy, restricted, decrypt (TPM 2.0 part 2, 8.3). */
const LOW_RANGE_ATTRIBUTES = 0x0003_00b2
/** The same with userWithAuth. */
const HIGH_RANGE_ATTRIBUTES = 0x0003_00f2
/** PolicyA: PolicySecret of the endorsement hierarchy (TCG EK Credential Profile, B.6.2). */
const POLICY_A_SHA256 = "837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa"
/** PolicyB: PolicyA or PolicyAuthorizeNV (TCG EK Credential Profile, B.6.3). */
const POLICY_B_SHA384 =
  "b26e7d28d11a50bc53d882bcf5fd3a1a074148bb35d3b4e4cb1c0ad9bde419cacb47ba09699646150f9fc000f3f80e12"

const none = { algorithm: Algorithm.null } as const

/** TCG EK Credential Profile for TPM 2.0, templates L-1 (RSA-2048), L-2 (P-256) and H-3 (P-384). */
export const endorsementKeyTemplates: Readonly<Record<EndorsementKeyKind, Template>> = {
  "ecc-p256": {
    title: "an ECC P-256 endorsement key (template L-2)",
    type: Algorithm.ecc,
    nameAlgorithm: Algorithm.sha256,
    attributes: LOW_RANGE_ATTRIBUTES,
    authPolicy: POLICY_A_SHA256,
    symmetric: { algorithm: Algorithm.aes, keyBits: 128, mode: Algorithm.cfb },
    scheme: none,
    curve: EccCurve.p256
  },
  "rsa-2048": {
    title: "an RSA-2048 endorsement key (template L-1)",
    type: Algorithm.rsa,
    nameAlgorithm: Algorithm.sha256,
    attributes: LOW_RANGE_ATTRIBUTES,
    authPolicy: POLICY_A_SHA256,
    symmetric: { algorithm: Algorithm.aes, keyBits: 128, mode: Algorithm.cfb },
    scheme: none,
    keyBits: 2048
  },
  "ecc-p384": {
    title: "an ECC P-384 endorsement key (template H-3)",
    type: Algorithm.ecc,
    nameAlgorithm: Algorithm.sha384,
    attributes: HIGH_RANGE_ATTRIBUTES,
    authPolicy: POLICY_B_SHA384,
    symmetric: { algorithm: Algorithm.aes, keyBits: 256, mode: Algorithm.cfb },
    scheme: none,
    curve: EccCurve.p384
  }
}

/** The template to hold a key against: by its type and, for ECC, its curve. */
const kindOf = (key: TpmtPublic): EndorsementKeyKind =>
  key.type === Algorithm.rsa ? "rsa-2048" : key.curve === EccCurve.p384 ? "ecc-p384" : "ecc-p256"

/** Accepts a key only when every field is as in its template, and its point lies on the curve. */
export const checkEndorsementKey = (key: TpmtPublic): Result.Result<EndorsementKey, NotAnEndorsementKey> => {
  const kind = kindOf(key)
  const departure = departureFrom(endorsementKeyTemplates[kind], key)
  return departure === undefined
    ? Result.succeed({ kind, public: key })
    : Result.fail(new NotAnEndorsementKey(departure))
}

/** From the wire, a TPM2B_PUBLIC in hexadecimal digits, to a checked endorsement key. */
export const endorsementKeyFromHex = (text: string): Result.Result<EndorsementKey, NotAnEndorsementKey> =>
  decodePublicHex(text).pipe(
    Result.mapError(({ field, message }) => new NotAnEndorsementKey({ field, message })),
    Result.flatMap(checkEndorsementKey)
  )
