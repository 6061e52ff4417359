import { Algorithm, EccCurve } from "../structures/Algorithm.ts"
import { ByteWriter } from "../structures/ByteWriter.ts"
import { toHex } from "../structures/Hex.ts"
import { coordinateSize, paddedTo, type TpmtPublic } from "../structures/TpmtPublic.ts"
import { type DerReader, Tag } from "./DerReader.ts"

/** The key of a certificate (RFC 5280, 4.1.2.7; RFC 3279, 2.3.1; RFC 5480, 2). Numbers are big-endian. */
export type SubjectKey =
  | { readonly kind: "rsa"; readonly modulus: Uint8Array; readonly exponent: Uint8Array }
  /** `bits` is the size of the curve's field. */
  | { readonly kind: "ecc"; readonly bits: 256 | 384 | 521; readonly point: Uint8Array }
  | { readonly kind: "other"; readonly algorithm: string }

const RSA = "1.2.840.113549.1.1.1"
/** Some vendors say with the key what it is for (RFC 4055, 4.1); the key itself has the same form. */
const RSA_OAEP = "1.2.840.113549.1.1.7"
const ECC = "1.2.840.10045.2.1"

const curves = new Map<string, 256 | 384 | 521>([
  ["1.2.840.10045.3.1.7", 256],
  ["1.3.132.0.34", 384],
  ["1.3.132.0.35", 521]
])

/** Reads a SubjectPublicKeyInfo. */
export const readSubjectKey = (reader: DerReader): SubjectKey => {
  const { algorithm, curve } = reader.within("algorithm", Tag.sequence, (inner) => {
    const found = inner.objectIdentifier("algorithm")
    if (found === ECC && inner.next === Tag.objectIdentifier) {
      return { algorithm: found, curve: inner.objectIdentifier("namedCurve") }
    }
    if (inner.remaining > 0) inner.any("parameters")
    return { algorithm: found, curve: "" }
  })
  const bits = reader.wholeBits("subjectPublicKey")
  if (algorithm === RSA || algorithm === RSA_OAEP) {
    return reader.inside("subjectPublicKey", bits, (outer) =>
      outer.within("RSAPublicKey", Tag.sequence, (inner) => ({
        kind: "rsa",
        modulus: inner.positiveInteger("modulus"),
        exponent: inner.positiveInteger("publicExponent")
      })))
  }
  const size = curves.get(curve)
  return size === undefined
    ? { kind: "other", algorithm: curve || algorithm }
    : { kind: "ecc", bits: size, point: bits }
}

/** Whether a certificate's key is exactly the key of a TPMT_PUBLIC: the same numbers, and for ECC the uncompressed point. */
export const isKeyOf = (subject: SubjectKey, area: TpmtPublic): boolean => {
  if (area.type === Algorithm.rsa) {
    if (subject.kind !== "rsa") return false
    const exponent = new ByteWriter().u32(area.exponent === 0 ? 65_537 : area.exponent).done()
    return toHex(subject.modulus) === toHex(area.modulus) &&
      toHex(paddedTo(4, subject.exponent) ?? subject.exponent) === toHex(exponent)
  }
  if (subject.kind !== "ecc") return false
  const bits = area.curve === EccCurve.p256 ? 256 : area.curve === EccCurve.p384 ? 384 : 0
  const size = coordinateSize(area.curve)
  const x = paddedTo(size, area.x)
  const y = paddedTo(size, area.y)
  return x !== undefined && y !== undefined && subject.bits === bits &&
    toHex(subject.point) === `04${toHex(x)}${toHex(y)}`
}

/** Whether a signature under this key is worth anything: RSA of 2048 bits or more, or one of the curves above. */
export const isStrongKey = (key: SubjectKey): boolean =>
  key.kind === "ecc" || (key.kind === "rsa" && key.modulus.length >= 256)
