import { MAX_CERTIFICATE } from "@patela/domain/attestation/EndorsementCertificates"
import { Result } from "effect"
import { X509Certificate } from "node:crypto"
import { toHex } from "../structures/Hex.ts"
import { MalformedStructure } from "../structures/MalformedStructure.ts"
import { type CertificateExtensions, readExtensions } from "./CertificateExtensions.ts"
import { type DerReader, readWholeDer, Tag } from "./DerReader.ts"
import { readSubjectKey, type SubjectKey } from "./SubjectKey.ts"

/** What a certificate says of itself; nothing of it is proven yet. */
export interface CertificateFacts {
  /** The names as DER in hex: two names are the same exactly when these are. */
  readonly subject: string
  readonly issuer: string
  /** Unix milliseconds, both inclusive. */
  readonly notBefore: number
  readonly notAfter: number
  /** Object identifier. */
  readonly signatureAlgorithm: string
  readonly key: SubjectKey
  readonly extensions: CertificateExtensions
}

/** A certificate (RFC 5280, 4.1) that was read twice: by the reader of this package, and by node:crypto. */
export interface Certificate extends CertificateFacts {
  readonly der: Uint8Array
  readonly x509: X509Certificate
}

/** UTCTime YYMMDDHHMMSSZ until 2049, GeneralizedTime YYYYMMDDHHMMSSZ after (RFC 5280, 4.1.2.5). */
const readTime = (reader: DerReader, field: string): number => {
  const { tag, content } = reader.any(field)
  const text = new TextDecoder("latin1").decode(content)
  const year = tag === Tag.utcTime ? (Number(text.slice(0, 2)) < 50 ? "20" : "19") : ""
  const full = tag === Tag.utcTime || tag === Tag.generalizedTime ? `${year}${text}` : ""
  const iso = full.replace(/^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6.000Z")
  const time = iso === full ? Number.NaN : Date.parse(iso)
  if (Number.isNaN(time) || new Date(time).toISOString() !== iso) return reader.fail(field, "is no time")
  return time
}

const VERSION_3 = 2

const readTbsCertificate = (reader: DerReader) => {
  const version = reader.within("version", 0xa0, (inner) => inner.smallInteger("version"))
  if (version !== VERSION_3) reader.fail("version", `is ${version + 1}, expected 3`)
  reader.element("serialNumber", Tag.integer)
  const signature = reader.element("signature", Tag.sequence)
  const issuer = toHex(reader.element("issuer", Tag.sequence).whole)
  const [notBefore, notAfter] = reader.within(
    "validity",
    Tag.sequence,
    (inner) => [readTime(inner, "notBefore"), readTime(inner, "notAfter")] as const
  )
  const subject = toHex(reader.element("subject", Tag.sequence).whole)
  const key = reader.within("subjectPublicKeyInfo", Tag.sequence, readSubjectKey)
  reader.optional("issuerUniqueID", 0x81)
  reader.optional("subjectUniqueID", 0x82)
  const extensions = reader.within(
    "extensions",
    0xa3,
    (inner) => inner.within("extensions", Tag.sequence, readExtensions)
  )
  return { signature, issuer, notBefore, notAfter, subject, key, extensions }
}

const readCertificate = (reader: DerReader): CertificateFacts =>
  reader.within("Certificate", Tag.sequence, (outer) => {
    const { signature, ...facts } = outer.within("tbsCertificate", Tag.sequence, readTbsCertificate)
    const algorithm = outer.element("signatureAlgorithm", Tag.sequence)
    if (toHex(algorithm.whole) !== toHex(signature.whole)) {
      outer.fail("signatureAlgorithm", "is not the one that is signed")
    }
    outer.wholeBits("signatureValue")
    const signatureAlgorithm = outer.inside("signatureAlgorithm", algorithm.content, (inner) => {
      const oid = inner.objectIdentifier("algorithm")
      if (inner.remaining > 0) inner.any("parameters")
      return oid
    })
    return { ...facts, signatureAlgorithm }
  })

/** Reads a version 3 certificate that is DER and fills `der` exactly. `name` begins the path of the field in errors. */
export const decodeCertificate = (
  der: Uint8Array,
  name = "certificate"
): Result.Result<Certificate, MalformedStructure> =>
  Result.gen(function*() {
    if (der.length > MAX_CERTIFICATE) {
      const message = `${name}: is ${der.length} bytes long, at most ${MAX_CERTIFICATE} are allowed`
      return yield* Result.fail(new MalformedStructure({ field: name, offset: 0, message }))
    }
    const facts = yield* readWholeDer(der, name, readCertificate)
    const x509 = yield* Result.try({
      try: () => new X509Certificate(der),
      // OpenSSL's words for it add nothing to act on.
      catch: () => new MalformedStructure({ field: name, offset: 0, message: `${name}: is no certificate to OpenSSL` })
    })
    return { ...facts, der, x509 }
  })
