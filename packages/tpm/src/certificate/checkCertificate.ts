import { Result } from "effect"
import type { EndorsementKey } from "../identity/EndorsementKey.ts"
import { Algorithm } from "../structures/Algorithm.ts"
import type { Certificate } from "./Certificate.ts"
import { type CertificateFact, CertificateRefused } from "./CertificateRefused.ts"
import { isKeyOf, isStrongKey } from "./SubjectKey.ts"
import type { TpmNames } from "./TpmNames.ts"

/** A certificate and what it is called in errors. */
export interface Named {
  readonly name: string
  readonly certificate: Certificate
}

export const refused = (
  { name }: Pick<Named, "name">,
  fact: CertificateFact,
  reason: string
): Result.Result<never, CertificateRefused> =>
  Result.fail(new CertificateRefused({ certificate: name, fact, message: `The ${name} ${reason}` }))

/** tcg-kp-EKCertificate (TCG EK Credential Profile, "Extended Key Usage"). */
const EK_CERTIFICATE = "2.23.133.8.1"
/** anyExtendedKeyUsage (RFC 5280, 4.2.1.12). */
const ANY_USAGE = "2.5.29.37.0"

/** RSA PKCS #1 v1.5 and ECDSA with SHA-256, SHA-384 or SHA-512 (RFC 4055, 5; RFC 5758, 3.2). */
const signatureAlgorithms = new Set([
  "1.2.840.113549.1.1.11",
  "1.2.840.113549.1.1.12",
  "1.2.840.113549.1.1.13",
  "1.2.840.10045.4.3.2",
  "1.2.840.10045.4.3.3",
  "1.2.840.10045.4.3.4"
])

/** What holds for every certificate of a chain: its time, and nothing critical that is not understood. */
const checkAny = (named: Named, now: number): Result.Result<void, CertificateRefused> => {
  const { notBefore, notAfter, extensions } = named.certificate
  const when = (time: number): string => Number.isNaN(time) ? "unknown" : new Date(time).toISOString()
  // Written so that a time which is no number is in no period.
  if (!(now >= notBefore)) {
    return refused(named, "not-yet-valid", `is valid from ${when(notBefore)}, and it is ${when(now)}.`)
  }
  if (!(now <= notAfter)) return refused(named, "expired", `was valid until ${when(notAfter)}, and it is ${when(now)}.`)
  const [unknown] = extensions.unknownCritical
  if (unknown === undefined) return Result.void
  return refused(named, "critical-extension", `has the critical extension ${unknown}, which is not understood here.`)
}

/** A certificate whose signature counts: all but roots, which are trusted because they were given. */
const checkSignatureAlgorithm = (named: Named): Result.Result<void, CertificateRefused> =>
  signatureAlgorithms.has(named.certificate.signatureAlgorithm)
    ? Result.void
    : refused(
      named,
      "signature-algorithm",
      `is signed with ${named.certificate.signatureAlgorithm}, which is none of RSA or ECDSA with SHA-256, 384 or 512.`
    )

/**
 * Whether a certificate may issue others (RFC 5280, 6.1.4): a CA that signs certificates, for endorsement keys where it
 * says for what, with at most `below` other CAs between it and the end.
 */
export const checkAuthority = (
  named: Named & { readonly isRoot: boolean },
  now: number,
  below: number
): Result.Result<void, CertificateRefused> =>
  Result.gen(function*() {
    yield* checkAny(named, now)
    if (!named.isRoot) yield* checkSignatureAlgorithm(named)
    const { key, extensions: { basicConstraints, keyUsage, extendedKeyUsage: usages } } = named.certificate
    if (basicConstraints?.ca !== true) yield* refused(named, "not-a-ca", "is not a CA, and issued a certificate.")
    if (keyUsage !== undefined && !keyUsage.has("keyCertSign")) {
      yield* refused(named, "key-usage", "must not sign certificates (KeyUsage), and issued one.")
    }
    if (usages !== undefined && !usages.includes(EK_CERTIFICATE) && !usages.includes(ANY_USAGE)) {
      yield* refused(named, "extended-key-usage", `is not for endorsement certificates (${EK_CERTIFICATE}).`)
    }
    if (!isStrongKey(key)) yield* refused(named, "weak-key", "has neither an RSA key of 2048 bits nor a NIST curve.")
    const limit = basicConstraints?.pathLength
    if (limit !== undefined && below > limit) {
      yield* refused(named, "path-length", `allows ${limit} CAs below it, and there are ${below}.`)
    }
  })

/** Whether a certificate is one of this endorsement key (TCG EK Credential Profile, "EK Certificate Fields"). */
export const checkEndorsementCertificate = (
  named: Named,
  endorsementKey: EndorsementKey,
  now: number
): Result.Result<TpmNames, CertificateRefused> =>
  Result.gen(function*() {
    const { key, extensions: { basicConstraints, keyUsage, extendedKeyUsage, tpm } } = named.certificate
    if (!isKeyOf(key, endorsementKey.public)) {
      yield* refused(named, "other-key", "is of another key than the endorsement key of this node.")
    }
    yield* checkAny(named, now)
    yield* checkSignatureAlgorithm(named)
    if (basicConstraints?.ca === true) yield* refused(named, "is-a-ca", "is a CA, which no endorsement key is.")
    const usage = endorsementKey.public.type === Algorithm.rsa ? "keyEncipherment" : "keyAgreement"
    if (keyUsage?.has(usage) !== true || keyUsage.has("keyCertSign")) {
      yield* refused(named, "key-usage", `is not for ${usage} (KeyUsage), as that of an endorsement key is.`)
    }
    if (extendedKeyUsage?.includes(EK_CERTIFICATE) !== true) {
      yield* refused(named, "extended-key-usage", `does not say that it is of an endorsement key (${EK_CERTIFICATE}).`)
    }
    return tpm ?? (yield* refused(
      named,
      "subject-alternative-name",
      "does not name manufacturer, model and version of its TPM (SubjectAltName)."
    ))
  })
