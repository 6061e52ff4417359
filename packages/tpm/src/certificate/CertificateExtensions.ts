import { type DerReader, Tag } from "./DerReader.ts"
import { readTpmNames, type TpmNames } from "./TpmNames.ts"

/** What the extensions of a certificate say; undefined where one is not there. */
export interface CertificateExtensions {
  /** Bits of KeyUsage by their names (RFC 5280, 4.2.1.3). */
  readonly keyUsage: ReadonlySet<KeyUsage> | undefined
  /** RFC 5280, 4.2.1.9; `pathLength` undefined is no limit. */
  readonly basicConstraints: { readonly ca: boolean; readonly pathLength: number | undefined } | undefined
  /** Object identifiers of ExtendedKeyUsage (4.2.1.12). */
  readonly extendedKeyUsage: ReadonlyArray<string> | undefined
  /** The TPM that SubjectAltName describes. */
  readonly tpm: TpmNames | undefined
  /** Object identifiers of critical extensions whose meaning is not known here. */
  readonly unknownCritical: ReadonlyArray<string>
}

const keyUsages = [
  "digitalSignature",
  "contentCommitment",
  "keyEncipherment",
  "dataEncipherment",
  "keyAgreement",
  "keyCertSign",
  "cRLSign",
  "encipherOnly",
  "decipherOnly"
] as const
export type KeyUsage = (typeof keyUsages)[number]

const KEY_USAGE = "2.5.29.15"
const SUBJECT_ALT_NAME = "2.5.29.17"
const BASIC_CONSTRAINTS = "2.5.29.19"
/** Any policy is accepted, so a critical CertificatePolicies demands nothing more. PolicyConstraints would. */
const CERTIFICATE_POLICIES = "2.5.29.32"
const EXTENDED_KEY_USAGE = "2.5.29.37"

const understood = new Set([KEY_USAGE, SUBJECT_ALT_NAME, BASIC_CONSTRAINTS, CERTIFICATE_POLICIES, EXTENDED_KEY_USAGE])

const readKeyUsage = (reader: DerReader): ReadonlySet<KeyUsage> => {
  const { content } = reader.element("bits", Tag.bitString)
  const unused = content[0] ?? 8
  if (content.length < 2 || content.length > 3 || unused > 7) return reader.fail("bits", "is no KeyUsage")
  return new Set(keyUsages.filter((_, bit) => ((content[1 + (bit >> 3)] ?? 0) & (0x80 >> (bit & 7))) !== 0))
}

const readBasicConstraints = (reader: DerReader) =>
  reader.within("BasicConstraints", Tag.sequence, (inner) => {
    const ca = inner.next === Tag.boolean && inner.boolean("cA")
    const pathLength = inner.next === Tag.integer ? inner.smallInteger("pathLenConstraint") : undefined
    return { ca, pathLength }
  })

const readExtendedKeyUsage = (reader: DerReader) =>
  reader.within("ExtKeyUsageSyntax", Tag.sequence, (inner) => {
    const usages: Array<string> = []
    while (inner.remaining > 0) usages.push(inner.objectIdentifier("KeyPurposeId"))
    return usages
  })

/** Reads the SEQUENCE OF Extension of a certificate (RFC 5280, 4.1). None may be there twice (4.2). */
export const readExtensions = (reader: DerReader): CertificateExtensions => {
  const values = new Map<string, Uint8Array>()
  const unknownCritical: Array<string> = []
  while (reader.remaining > 0) {
    reader.within("extension", Tag.sequence, (inner) => {
      const oid = inner.objectIdentifier("extnID")
      if (values.has(oid)) inner.fail("extnID", `${oid} is there twice`)
      // DER leaves out what is the default; some vendors write FALSE all the same.
      const critical = inner.next === Tag.boolean && inner.boolean("critical")
      values.set(oid, inner.element("extnValue", Tag.octetString).content)
      if (critical && !understood.has(oid)) unknownCritical.push(oid)
    })
  }
  const value = <A>(oid: string, read: (reader: DerReader) => A): A | undefined => {
    const content = values.get(oid)
    return content === undefined ? undefined : reader.inside(oid, content, read)
  }
  return {
    keyUsage: value(KEY_USAGE, readKeyUsage),
    basicConstraints: value(BASIC_CONSTRAINTS, readBasicConstraints),
    extendedKeyUsage: value(EXTENDED_KEY_USAGE, readExtendedKeyUsage),
    tpm: value(SUBJECT_ALT_NAME, readTpmNames),
    unknownCritical
  }
}
