import { type DerReader, Tag } from "./DerReader.ts"

/** The TPM that an endorsement certificate is of (TCG EK Credential Profile, "Subject Alternative Name"). */
export interface TpmNames {
  /** `id:` and the vendor identifier in eight hexadecimal digits (TCG Vendor ID Registry), such as id:49465800. */
  readonly manufacturer: string
  readonly model: string
  /** `id:` and the firmware version in hexadecimal digits. */
  readonly version: string
}

const MANUFACTURER = "2.23.133.2.1"
const MODEL = "2.23.133.2.2"
const VERSION = "2.23.133.2.3"
const wanted = new Set([MANUFACTURER, MODEL, VERSION])

/** GeneralName: directoryName [4], explicit because Name is a CHOICE (RFC 5280, 4.2.1.6). */
const DIRECTORY_NAME = 0xa4
/** Characters of one of these texts. */
const MAX_TEXT = 64

const readText = (reader: DerReader): string => {
  const { tag, content } = reader.any("value")
  const text = new TextDecoder().decode(content)
  if (
    (tag !== Tag.utf8String && tag !== Tag.printableString) || !/^[\x20-\x7e]+$/.test(text) || text.length > MAX_TEXT
  ) {
    return reader.fail("value", `is no text of 1 to ${MAX_TEXT} printable characters`)
  }
  return text
}

/** Vendors put the three into one RDN or into one each: both are read. */
const readName = (reader: DerReader, found: Map<string, string>): void =>
  reader.within("directoryName", Tag.sequence, (names) => {
    while (names.remaining > 0) {
      names.within("RelativeDistinguishedName", Tag.set, (set) => {
        while (set.remaining > 0) {
          set.within("AttributeTypeAndValue", Tag.sequence, (attribute) => {
            const oid = attribute.objectIdentifier("type")
            if (!wanted.has(oid)) return void attribute.any("value")
            if (found.has(oid)) attribute.fail("type", `${oid} is there twice`)
            found.set(oid, readText(attribute))
          })
        }
      })
    }
  })

/** Reads a SubjectAltName. Undefined when it does not name manufacturer, model and version of a TPM. */
export const readTpmNames = (reader: DerReader): TpmNames | undefined => {
  const found = new Map<string, string>()
  reader.within("GeneralNames", Tag.sequence, (names) => {
    while (names.remaining > 0) {
      const general = names.any("GeneralName")
      if (general.tag === DIRECTORY_NAME) {
        names.inside("GeneralName", general.content, (inner) => readName(inner, found))
      }
    }
  })
  const [manufacturer, model, version] = [found.get(MANUFACTURER), found.get(MODEL), found.get(VERSION)]
  return manufacturer === undefined || model === undefined || version === undefined
    ? undefined
    : { manufacturer, model, version }
}
