import { Schema } from "effect"

/** What is wrong with a certificate or its chain. */
export const CertificateFact = Schema.Literals([
  "malformed",
  "too-many",
  "not-yet-valid",
  "expired",
  "critical-extension",
  "signature-algorithm",
  "weak-key",
  "other-key",
  "is-a-ca",
  "key-usage",
  "extended-key-usage",
  "subject-alternative-name",
  "self-signed",
  "no-issuer",
  "signature",
  "not-a-ca",
  "path-length"
])
export type CertificateFact = typeof CertificateFact.Type

/** An endorsement certificate does not prove that the endorsement key is a vendor's. `certificate` is the one at fault. */
export class CertificateRefused extends Schema.TaggedError<CertificateRefused>()("CertificateRefused", {
  /** `endorsement certificate`, `intermediate N` or `root N`, counted from 0 as they were given. */
  certificate: Schema.String,
  fact: CertificateFact,
  message: Schema.String
}) {}
