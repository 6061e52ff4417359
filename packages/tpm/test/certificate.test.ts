import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { X509Certificate } from "node:crypto"
import { decodeCertificate } from "../src/certificate/Certificate.ts"
import type { CertificateFact } from "../src/certificate/CertificateRefused.ts"
import { verifyEndorsementCertificate } from "../src/certificate/verifyEndorsementCertificate.ts"
import { checkEndorsementKey, type EndorsementKey, endorsementKeyTemplates } from "../src/identity/EndorsementKey.ts"
import { Algorithm } from "../src/structures/Algorithm.ts"
import {
  asRoot,
  type Authority,
  authority,
  basicConstraints,
  caCertificate,
  caExtensions,
  der,
  DIGITAL_SIGNATURE,
  EK_CERTIFICATE,
  ekCertificate,
  ekExtensions,
  extendedKeyUsage,
  type Extension,
  KEY_AGREEMENT,
  KEY_CERT_SIGN,
  KEY_ENCIPHERMENT,
  keyUsage,
  type Request,
  sequence,
  someTpm,
  tpmNames,
  utf8,
  writtenCertificate
} from "./CertificateWriter.ts"
import { endorsementKeys, failure, keyOf } from "./fixtures.ts"

const now = Date.parse("2026-06-01T00:00:00Z")
const root = authority("Root")
const issuing = authority("Issuing", "P-384")
const rootCertificate = caCertificate(root, root)
const roots = [asRoot(rootCertificate)]
const intermediate = caCertificate(issuing, root)

const checked = (key: Parameters<typeof checkEndorsementKey>[0]): EndorsementKey =>
  Result.getOrThrow(checkEndorsementKey(key))
const endorsementKey = checked(keyOf(endorsementKeyTemplates["ecc-p256"]))
const certificate = ekCertificate(endorsementKey.public, issuing)
const good = { certificate, intermediates: [intermediate], roots, endorsementKey, now }

const refusal = (change: Partial<typeof good>): readonly [string, CertificateFact] => {
  const error = failure(verifyEndorsementCertificate({ ...good, ...change }))
  assert.include(error.message, error.certificate)
  return [error.certificate, error.fact]
}
/** What the certificate of the key is refused for when it says something else. */
const leafFact = (change: Partial<Request>, issuer: Authority = issuing): CertificateFact => {
  const [at, fact] = refusal({ certificate: ekCertificate(endorsementKey.public, issuer, change) })
  assert.strictEqual(at, "endorsement certificate")
  return fact
}
const without = (id: string, ...others: ReadonlyArray<Extension>): Partial<Request> => ({
  extensions: [...ekExtensions(endorsementKey.public).filter((extension) => extension.id !== id), ...others]
})
/** What the intermediate is refused for. */
const intermediateFact = (change: Partial<Request>, issuer = root): CertificateFact => {
  const [at, fact] = refusal({ intermediates: [caCertificate(issuing, issuer, change)] })
  assert.strictEqual(at, "intermediate 0")
  return fact
}

describe("endorsement certificates", () => {
  it.each(endorsementKeys)("accepts one of a $kind key, by an intermediate or by the root itself", ({ key }) => {
    const of = { endorsementKey: checked(key), roots, now }
    const byIntermediate = { certificate: ekCertificate(key, issuing), intermediates: [intermediate] }
    const verified = Result.getOrThrow(verifyEndorsementCertificate({ ...of, ...byIntermediate }))
    assert.deepStrictEqual(verified.tpm, { manufacturer: "id:49465800", model: "SLB9670", version: "id:00070055" })
    assert.deepStrictEqual(verified.chain.map(({ der }) => der), [intermediate, rootCertificate])
    const byRoot = { certificate: ekCertificate(key, root), intermediates: [] }
    assert.strictEqual(Result.getOrThrow(verifyEndorsementCertificate({ ...of, ...byRoot })).chain.length, 1)
  })

  it("takes an intermediate for a root where the operator gave it as one", () => {
    const given = { ...good, intermediates: [], roots: [asRoot(intermediate)] }
    assert.strictEqual(Result.getOrThrow(verifyEndorsementCertificate(given)).chain.length, 1)
  })

  it("reads what node:crypto reads", () => {
    const read = Result.getOrThrow(decodeCertificate(certificate))
    const x509 = new X509Certificate(certificate)
    assert.strictEqual(read.notBefore, x509.validFromDate.getTime())
    assert.strictEqual(read.notAfter, x509.validToDate.getTime())
    assert.deepStrictEqual(read.extensions.extendedKeyUsage, x509.keyUsage)
    assert.strictEqual(read.extensions.basicConstraints?.ca, x509.ca)
    assert.isTrue(x509.checkIssued(new X509Certificate(intermediate)))
  })

  it.each(endorsementKeys)("refuses the certificate of another key, $kind", ({ key }) => {
    assert.deepStrictEqual(refusal({ certificate: ekCertificate(key, issuing) }), [
      "endorsement certificate",
      "other-key"
    ])
    const other = checked(keyOf(endorsementKeyTemplates[checked(key).kind]))
    const of = { certificate: ekCertificate(key, issuing), endorsementKey: other }
    assert.deepStrictEqual(refusal(of), ["endorsement certificate", "other-key"])
  })

  it("takes a point whose coordinates lost their leading zeros for the same", () => {
    const shortKey = (): EndorsementKey => {
      const key = keyOf(endorsementKeyTemplates["ecc-p256"])
      return key.type === Algorithm.ecc && key.x[0] === 0
        ? checked({ ...key, x: key.x.subarray(key.x.findIndex((byte) => byte !== 0)) })
        : shortKey()
    }
    const short = shortKey()
    const of = { ...good, endorsementKey: short, certificate: ekCertificate(short.public, issuing) }
    assert.isTrue(Result.isSuccess(verifyEndorsementCertificate(of)))
  })

  it("refuses one that is expired or not yet valid, and takes the first and the last moment", () => {
    const times = { notBefore: "20250101000000Z", notAfter: "20270101000000Z" }
    const limited = ekCertificate(endorsementKey.public, issuing, times)
    const at = (when: string) => ({ ...good, certificate: limited, now: Date.parse(when) })
    assert.strictEqual(failure(verifyEndorsementCertificate(at("2024-12-31T23:59:59.999Z"))).fact, "not-yet-valid")
    assert.isTrue(Result.isSuccess(verifyEndorsementCertificate(at("2025-01-01T00:00:00Z"))))
    assert.isTrue(Result.isSuccess(verifyEndorsementCertificate(at("2027-01-01T00:00:00Z"))))
    assert.strictEqual(failure(verifyEndorsementCertificate(at("2027-01-01T00:00:00.001Z"))).fact, "expired")
    assert.strictEqual(failure(verifyEndorsementCertificate({ ...good, now: Number.NaN })).fact, "not-yet-valid")
    assert.strictEqual(intermediateFact({ notAfter: "20260101000000Z" }), "expired")
    assert.strictEqual(intermediateFact({ notBefore: "20270101000000Z" }), "not-yet-valid")
    const old = caCertificate(root, root, { notAfter: "20260101000000Z" })
    assert.deepStrictEqual(refusal({ roots: [asRoot(old)] }), ["root 0", "expired"])
  })

  it("refuses a wrong or missing EKU, key usage, or name of the TPM", () => {
    const eku = "2.5.29.37"
    assert.strictEqual(leafFact(without(eku)), "extended-key-usage")
    assert.strictEqual(leafFact(without(eku, extendedKeyUsage("1.3.6.1.5.5.7.3.2"))), "extended-key-usage")
    assert.strictEqual(leafFact(without(eku, extendedKeyUsage("2.5.29.37.0"))), "extended-key-usage")
    const usage = "2.5.29.15"
    assert.strictEqual(leafFact(without(usage)), "key-usage")
    assert.strictEqual(leafFact(without(usage, keyUsage(KEY_ENCIPHERMENT))), "key-usage")
    assert.strictEqual(leafFact(without(usage, keyUsage(DIGITAL_SIGNATURE))), "key-usage")
    assert.strictEqual(leafFact(without(usage, keyUsage(KEY_AGREEMENT, KEY_CERT_SIGN))), "key-usage")
    const san = "2.5.29.17"
    const { "2.23.133.2.1": _, ...nameless } = someTpm
    assert.strictEqual(leafFact(without(san)), "subject-alternative-name")
    assert.strictEqual(leafFact(without(san, tpmNames(nameless))), "subject-alternative-name")
    assert.strictEqual(leafFact(without(san, tpmNames({ ...someTpm, "2.23.133.2.2": "a\nb" }))), "malformed")
    assert.strictEqual(leafFact(without("2.5.29.19", basicConstraints(true))), "is-a-ca")
    assert.isTrue(Result.isSuccess(verifyEndorsementCertificate({
      ...good,
      certificate: ekCertificate(endorsementKey.public, issuing, without("2.5.29.19"))
    })))
  })

  it("refuses critical extensions that it does not know, wherever they are", () => {
    const constraint = { id: "2.5.29.30", value: sequence() }
    const unknown = { id: "1.2.3.4", value: utf8("?") }
    for (const extension of [constraint, unknown]) {
      const critical = { ...extension, critical: true }
      assert.strictEqual(leafFact(without("none", critical)), "critical-extension")
      assert.strictEqual(intermediateFact({ extensions: [...caExtensions(), critical] }), "critical-extension")
      const rootWith = caCertificate(root, root, { extensions: [...caExtensions(), critical] })
      assert.deepStrictEqual(refusal({ roots: [asRoot(rootWith)] }), ["root 0", "critical-extension"])
      const tolerated = ekCertificate(endorsementKey.public, issuing, without("none", extension))
      assert.isTrue(Result.isSuccess(verifyEndorsementCertificate({ ...good, certificate: tolerated })))
    }
    assert.strictEqual(leafFact(without("none", unknown, unknown)), "malformed")
  })

  it("refuses a self-signed one, and one whose issuer is not there", () => {
    const forger = authority("Forger")
    const jwk = forger.publicKey.export({ format: "jwk" })
    const own = endorsementKey.public.type === Algorithm.ecc
      ? {
        ...endorsementKey.public,
        x: new Uint8Array(Buffer.from(jwk.x ?? "", "base64url")),
        y: new Uint8Array(Buffer.from(jwk.y ?? "", "base64url"))
      }
      : endorsementKey.public
    const selfSigned = ekCertificate(own, forger, { subject: forger.name })
    const of = { certificate: selfSigned, endorsementKey: checked(own) }
    assert.deepStrictEqual(refusal(of), ["endorsement certificate", "self-signed"])
    // It is no authority, so it vouches for itself no better as a root.
    assert.deepStrictEqual(refusal({ ...of, roots: [asRoot(selfSigned)] }), ["endorsement certificate", "self-signed"])
    assert.strictEqual(leafFact({}, forger), "no-issuer")
    assert.deepStrictEqual(refusal({ intermediates: [] }), ["endorsement certificate", "no-issuer"])
    assert.deepStrictEqual(refusal({ roots: [] }), ["intermediate 0", "no-issuer"])
    // A forger of the right name has the wrong key.
    assert.strictEqual(leafFact({}, { ...forger, name: issuing.name }), "signature")
    assert.strictEqual(intermediateFact({}, { ...forger, name: root.name }), "signature")
    // The whole chain of a forger, whose own root nobody gave.
    const chain = {
      certificate: ekCertificate(endorsementKey.public, forger),
      intermediates: [caCertificate(forger, forger)]
    }
    assert.deepStrictEqual(refusal(chain), ["intermediate 0", "no-issuer"])
  })

  it("refuses an intermediate that is no CA, must not sign, or is for something else", () => {
    assert.strictEqual(intermediateFact({ extensions: [basicConstraints(false), keyUsage(KEY_CERT_SIGN)] }), "not-a-ca")
    assert.strictEqual(intermediateFact({ extensions: [keyUsage(KEY_CERT_SIGN)] }), "not-a-ca")
    assert.strictEqual(
      intermediateFact({ extensions: [basicConstraints(true), keyUsage(DIGITAL_SIGNATURE)] }),
      "key-usage"
    )
    const web = extendedKeyUsage("1.3.6.1.5.5.7.3.1")
    assert.strictEqual(intermediateFact({ extensions: [...caExtensions(), web] }), "extended-key-usage")
    for (const purpose of [EK_CERTIFICATE, "2.5.29.37.0"]) {
      const intended = caCertificate(issuing, root, { extensions: [...caExtensions(), extendedKeyUsage(purpose)] })
      assert.isTrue(Result.isSuccess(verifyEndorsementCertificate({ ...good, intermediates: [intended] })))
    }
    // Another endorsement key's certificate is no authority: whoever has a TPM could sign for all others.
    const owner = authority("EK")
    const ek = writtenCertificate({
      subject: "EK",
      publicKey: owner.publicKey,
      issuer: root,
      extensions: ekExtensions(endorsementKey.public)
    })
    const signedByEk = { certificate: ekCertificate(endorsementKey.public, owner), intermediates: [ek] }
    assert.deepStrictEqual(refusal(signedByEk), ["intermediate 0", "not-a-ca"])
  })

  it("keeps to path lengths, in which authorities that only changed their own key do not count", () => {
    const second = authority("Second")
    const below = caCertificate(second, issuing)
    const of = { certificate: ekCertificate(endorsementKey.public, second) }
    const limited = (pathLength: number) => caCertificate(issuing, root, { extensions: caExtensions(pathLength) })
    assert.deepStrictEqual(refusal({ ...of, intermediates: [below, limited(0)] }), ["intermediate 1", "path-length"])
    const accepted = (intermediates: ReadonlyArray<Uint8Array>, by = roots) =>
      Result.isSuccess(verifyEndorsementCertificate({ ...good, ...of, intermediates: [...intermediates], roots: by }))
    assert.isTrue(accepted([below, limited(1)]))
    const strictRoot = [asRoot(caCertificate(root, root, { extensions: caExtensions(1) }))]
    assert.deepStrictEqual(refusal({ ...of, intermediates: [below, limited(1)], roots: strictRoot }), [
      "root 0",
      "path-length"
    ])
    // Issuing's new key is vouched for by its old one.
    const renewed = authority("Issuing")
    const rollOver = caCertificate(renewed, issuing)
    const chain = [caCertificate(second, renewed), rollOver, limited(1)]
    assert.isTrue(accepted(chain))
  })

  it("finds the way that holds among several, and ends where there is none", () => {
    const dead = caCertificate(issuing, authority("Nobody"))
    const expired = caCertificate(issuing, root, { notAfter: "20250101000000Z" })
    assert.isTrue(
      Result.isSuccess(verifyEndorsementCertificate({ ...good, intermediates: [dead, expired, intermediate] }))
    )
    // Two authorities that vouch for each other and for nobody else.
    const [a, b] = [authority("A"), authority("B")]
    const circle = {
      certificate: ekCertificate(endorsementKey.public, a),
      intermediates: [caCertificate(a, b), caCertificate(b, a)]
    }
    assert.strictEqual(refusal(circle)[1], "no-issuer")
    // Eight certificates, each of which may be the issuer of each.
    const same = authority("Same")
    const maze = {
      certificate: ekCertificate(endorsementKey.public, same),
      intermediates: Array.from({ length: 8 }, () => caCertificate(same, same))
    }
    assert.deepStrictEqual(refusal(maze), ["endorsement certificate", "too-many"])
    const many = { intermediates: Array.from({ length: 9 }, () => intermediate) }
    assert.deepStrictEqual(refusal(many), ["endorsement certificate", "too-many"])
  })

  it("refuses weak signatures and keys", () => {
    const sha1 = ["1.2.840.10045.4.1", "sha1"] as const
    assert.strictEqual(leafFact({ signature: sha1 }), "signature-algorithm")
    assert.strictEqual(intermediateFact({ signature: sha1 }), "signature-algorithm")
    assert.strictEqual(leafFact({ outerSignature: "1.2.840.10045.4.3.3" }), "malformed")
    const weak = authority("Weak", "secp224r1")
    const chain = {
      certificate: ekCertificate(endorsementKey.public, weak),
      intermediates: [caCertificate(weak, root)]
    }
    assert.deepStrictEqual(refusal(chain), ["intermediate 0", "weak-key"])
  })

  it("refuses bytes before, after and in place of DER", () => {
    const malformed = (changed: Uint8Array) =>
      assert.deepStrictEqual(refusal({ certificate: changed }), ["endorsement certificate", "malformed"])
    malformed(new Uint8Array())
    malformed(Uint8Array.from([...certificate, 0]))
    malformed(Uint8Array.from([0, ...certificate]))
    malformed(new Uint8Array(9000))
    malformed(new TextEncoder().encode("-----BEGIN CERTIFICATE-----"))
    for (let size = 0; size < certificate.length; size += 1) malformed(certificate.subarray(0, size))
    assert.deepStrictEqual(refusal({ intermediates: [Uint8Array.from([...intermediate, 0])] }), [
      "intermediate 0",
      "malformed"
    ])
    // A second structure hidden inside of the outer sequence.
    malformed(sequence(certificate.subarray(4), der(0x05)))
    // The same length in more bytes than it needs.
    malformed(Uint8Array.from([0x30, 0x83, 0, ...certificate.subarray(2)]))
  })
})
