import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { decodeCertificate } from "../src/certificate/Certificate.ts"
import { type DerReader, readWholeDer, Tag } from "../src/certificate/DerReader.ts"
import { isKeyOf } from "../src/certificate/SubjectKey.ts"
import { endorsementKeyTemplates } from "../src/identity/EndorsementKey.ts"
import { Algorithm } from "../src/structures/Algorithm.ts"
import {
  authority,
  der,
  EK_CERTIFICATE,
  ekCertificate,
  extendedKeyUsage,
  type Extension,
  oid,
  sequence,
  someTpm,
  tpmNames,
  utf8
} from "./CertificateWriter.ts"
import { failure, keyOf } from "./fixtures.ts"

const issuer = authority("Issuing")
const key = keyOf(endorsementKeyTemplates["ecc-p256"])
const certificate = ekCertificate(key, issuer)
const field = (read: Uint8Array): string => failure(decodeCertificate(read)).field
/** Where a certificate is refused that has just this extension, and is signed with it. */
const extensionField = (extension: Extension): string => field(ekCertificate(key, issuer, { extensions: [extension] }))

describe("the reader of certificates", () => {
  it("gives back identifiers of every size", () => {
    for (const dotted of ["0.0", "1.39", "2.5.29.37", EK_CERTIFICATE, "2.999.4294967295", "1.2.840.113549.1.1.11"]) {
      assert.strictEqual(
        Result.getOrThrow(readWholeDer(oid(dotted), "der", (it) => it.objectIdentifier("oid"))),
        dotted
      )
    }
  })

  it.prop("reads any bytes to an error or a value, and never crashes", [Schema.Uint8Array], ([bytes]) => {
    const element = (reader: DerReader) => reader.any("element")
    const read = readWholeDer(bytes, "der", element)
    if (Result.isSuccess(read)) assert.deepStrictEqual(der(read.success.tag, read.success.content), bytes)
    assert.isTrue(Result.isFailure(decodeCertificate(bytes)))
    for (const tag of Object.values(Tag)) assert.isTrue(Result.isFailure(decodeCertificate(der(tag, bytes))))
  }, { arbitrary: { runs: 500 } })

  it("refuses what is no DER although a key signed it", () => {
    const eku = "certificate.Certificate.tbsCertificate.extensions.extensions.2.5.29.37"
    const [tag = 0, length = 0, ...rest] = extendedKeyUsage(EK_CERTIFICATE).value
    const written = (...value: ReadonlyArray<number>) =>
      extensionField({ id: "2.5.29.37", value: Uint8Array.from(value) })
    assert.strictEqual(written(tag, 0x81, length, ...rest), `${eku}.ExtKeyUsageSyntax`)
    assert.strictEqual(written(tag, 0x82, 0, length, ...rest), `${eku}.ExtKeyUsageSyntax`)
    assert.strictEqual(written(tag, 0x80, ...rest, 0, 0), `${eku}.ExtKeyUsageSyntax`)
    assert.strictEqual(written(0x3f, 0x30, length, ...rest), `${eku}.ExtKeyUsageSyntax`)
    assert.strictEqual(written(tag, length, ...rest, 0), `${eku}.end`)
    assert.strictEqual(written(tag, 4, 6, 2, 0x80, 1), `${eku}.ExtKeyUsageSyntax.KeyPurposeId`)
    const bits = (...content: ReadonlyArray<number>) =>
      extensionField({ id: "2.5.29.15", value: der(0x03, Uint8Array.from(content)) })
    for (const content of [[], [0], [8, 0x80], [0, 0, 0, 0]]) assert.match(bits(...content), /2\.5\.29\.15\.bits$/)
    const ca = (...content: ReadonlyArray<number>) =>
      extensionField({ id: "2.5.29.19", value: sequence(Uint8Array.from(content)) })
    assert.match(ca(1, 1, 1), /BasicConstraints\.cA$/)
    assert.match(ca(1, 1, 0xff, 2, 1, 0x80), /BasicConstraints\.pathLenConstraint$/)
    assert.match(ca(1, 1, 0xff, 5, 0), /BasicConstraints\.end$/)
  })

  it("refuses a signature that is not of whole bytes", () => {
    const signature = readWholeDer(certificate, "der", (outer) =>
      outer.within("certificate", Tag.sequence, (inner) => {
        inner.any("tbsCertificate")
        inner.any("signatureAlgorithm")
        return inner.any("signatureValue").content.length
      }))
    const changed = certificate.slice()
    changed[changed.length - Result.getOrThrow(signature)] = 1
    assert.strictEqual(field(changed), "certificate.Certificate.signatureValue")
  })

  it("refuses a certificate that is too long, and times that are none", () => {
    const filler = { id: "1.2.3.4", value: der(0x04, new Uint8Array(8000)) }
    assert.include(
      failure(decodeCertificate(ekCertificate(key, issuer, { extensions: [filler] }))).message,
      "at most 8192"
    )
    for (
      const notBefore of [
        "20250230000000Z",
        "20251301000000Z",
        "20250101250000Z",
        "202501010000Z",
        "20250101000000+0100"
      ]
    ) {
      assert.match(field(ekCertificate(key, issuer, { notBefore })), /validity\.notBefore$/)
    }
  })

  it("refuses a TPM that is named twice", () => {
    const model = der(0x31, sequence(oid("2.23.133.2.2"), utf8("other")))
    const once = tpmNames(someTpm).value
    const names = sequence(once.subarray(2), der(0xa4, sequence(model)))
    assert.match(extensionField({ id: "2.5.29.17", value: names }), /AttributeTypeAndValue\.type$/)
  })

  it("takes no key for one on another curve, or in another form", () => {
    if (key.type !== Algorithm.ecc) throw new Error("the key is an ECC key")
    const point = Uint8Array.from([4, ...key.x, ...key.y])
    assert.isTrue(isKeyOf({ kind: "ecc", bits: 256, point }, key))
    assert.isFalse(isKeyOf({ kind: "ecc", bits: 384, point }, key))
    const compressed = Uint8Array.from([2 + ((key.y.at(-1) ?? 0) & 1), ...key.x])
    assert.isFalse(isKeyOf({ kind: "ecc", bits: 256, point: compressed }, key))
    assert.isFalse(isKeyOf({ kind: "rsa", modulus: key.x, exponent: Uint8Array.from([3]) }, key))
    const rsa = keyOf(endorsementKeyTemplates["rsa-2048"])
    if (rsa.type !== Algorithm.rsa) throw new Error("the key is an RSA key")
    const exponent = Uint8Array.from([1, 0, 1])
    assert.isTrue(isKeyOf({ kind: "rsa", modulus: rsa.modulus, exponent }, rsa))
    assert.isFalse(isKeyOf({ kind: "rsa", modulus: rsa.modulus, exponent: Uint8Array.from([3]) }, rsa))
    assert.isFalse(isKeyOf({ kind: "ecc", bits: 256, point: rsa.modulus }, rsa))
  })
})
