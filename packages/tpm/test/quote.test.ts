import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { decodePcrSelection, encodePcrSelection, type PcrSelection } from "../src/quote/PcrSelection.ts"
import { pcrDigestOf } from "../src/quote/PcrValues.ts"
import { decodeQuoteAttestation, encodeQuoteAttestation } from "../src/quote/QuoteAttestation.ts"
import { decodeTpmtSignature, encodeTpmtSignature } from "../src/quote/TpmtSignature.ts"
import { endorsementQualifiedName, verifyQuote } from "../src/quote/verifyQuote.ts"
import { Algorithm } from "../src/structures/Algorithm.ts"
import { decodePublicHex, TpmtPublic } from "../src/structures/TpmtPublic.ts"
import { bytes, failure } from "./fixtures.ts"
import { type QuoteScheme, softwareTpm, someValues } from "./SoftwareTpm.ts"

const schemes: ReadonlyArray<QuoteScheme> = ["ecdsa-p256", "ecdsa-p384", "rsassa"]
const selection: PcrSelection = [{ hash: Algorithm.sha256, pcrs: [0, 1, 2, 3, 4, 7, 12, 14] }]
const pcrValues = someValues(selection)
const nonce = Uint8Array.from({ length: 32 }, (_, at) => at)
const tpm = softwareTpm()
const made = tpm.quote({ nonce, selection, pcrValues })
const good = { ...made, attestationKey: tpm.key, nonce, selection, expected: { pcrValues } }

/** The field that a changed input is refused for. */
const fieldOf = (change: Partial<Parameters<typeof verifyQuote>[0]>): string =>
  failure(verifyQuote({ ...good, ...change })).field

const Numbers = Schema.Array(Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 31 }))))
const Hash = Schema.Literals([Algorithm.sha1, Algorithm.sha256, Algorithm.sha384, Algorithm.sha512, 0x12])
const Selections = Schema.Array(Schema.Struct({ hash: Hash, pcrs: Numbers })).pipe(
  Schema.check(Schema.isMaxLength(16))
)

/** A quote that tpm2_quote 5.4 wrote, of a swtpm whose PCRs 0, 1 and 7 were zero, for the nonce aabbccdd. */
const recorded = {
  key: "00580023000b00050472000000100018000b000300100020c0173594e1513c046806e429f53988ee4340d3bf0d0f6635" +
    "5bdfa0915fbb101d002084e041df9e249ea5aa6eed0366d9e0d0e2c6e0e14251931b5ff890b5d876c1dc",
  attestation: "ff54434780180022000bd4fd3929ff0fb7c5cbee4eea6c6c9de1b0de7ac1ef6429ecd937bcf8f05b64220004aabbccdd" +
    "0000000000030674000000020000000001201910230016363600000001000b0383000000202ea9ab9198d1638007400c" +
    "d2c3bef1cc745b864b76011a0e1bc52180ac6452d4",
  signature: "0018000b0020ee0bc6701eb6962f3ac799ce70a8f541a00e8780b3b2e2c238bd5ea217f3ec3f0020d3ae7d473f90dca7" +
    "c875cb3c3d1abc54cc2531020d34dd9b39fecd03a19a28b8"
}

describe("quotes", () => {
  it("reads what a TPM wrote, byte for byte, and verifies it", () => {
    const attestation = bytes(recorded.attestation)
    const signature = bytes(recorded.signature)
    const read = Result.getOrThrow(decodeQuoteAttestation(attestation))
    assert.deepStrictEqual(encodeQuoteAttestation(read), attestation)
    assert.deepStrictEqual(encodeTpmtSignature(Result.getOrThrow(decodeTpmtSignature(signature))), signature)
    const attestationKey = Result.getOrThrow(decodePublicHex(recorded.key))
    const zero = new Uint8Array(32)
    const expected = { pcrValues: new Map([[Algorithm.sha256, new Map([[0, zero], [1, zero], [7, zero]])]]) }
    const asked = { nonce: bytes("aabbccdd"), selection: [{ hash: Algorithm.sha256, pcrs: [0, 1, 7] }] }
    const quote = Result.getOrThrow(verifyQuote({ attestation, signature, attestationKey, ...asked, expected }))
    assert.strictEqual(quote.clockInfo.resetCount, 2)
    assert.isTrue(quote.clockInfo.safe)
  })

  it.prop("a selection survives writing and reading", [Selections], ([banks]) => {
    const sorted = banks.map(({ hash, pcrs }) => ({ hash, pcrs: [...new Set(pcrs)].sort((a, b) => a - b) }))
    assert.deepStrictEqual(Result.getOrThrow(decodePcrSelection(encodePcrSelection(sorted))), sorted)
  }, { arbitrary: { runs: 500 } })

  it.each(schemes)("verifies %s, and gives what the quote says", (scheme) => {
    const signer = softwareTpm(scheme)
    const banks: PcrSelection = [...selection, { hash: Algorithm.sha384, pcrs: [0, 23] }]
    const values = someValues(banks)
    const quote = signer.quote({ nonce, selection: banks, pcrValues: values })
    const input = { ...quote, attestationKey: signer.key, nonce, selection: banks }
    const read = Result.getOrThrow(verifyQuote({ ...input, expected: { pcrValues: values } }))
    assert.deepStrictEqual(read.clockInfo, { clock: 0x1_0000_0001n, resetCount: 7, restartCount: 1, safe: true })
    assert.strictEqual(read.firmwareVersion, 0x2019_1023_0016_3636n)
    assert.deepStrictEqual(pcrDigestOf(scheme === "ecdsa-p384" ? "sha384" : "sha256", banks, values), read.pcrDigest)
    for (const expected of ["any", { pcrDigest: read.pcrDigest }] as const) {
      assert.isTrue(Result.isSuccess(verifyQuote({ ...input, expected })))
    }
  })

  it.each(schemes.filter((scheme) => scheme !== "rsassa"))(
    "takes %s signatures with and without leading zeros, and never longer ones",
    (scheme) => {
      const signer = softwareTpm(scheme)
      const seen = { r: 0, s: 0 }
      const size = scheme === "ecdsa-p384" ? 48 : 32
      const { attestation } = signer.quote({ nonce, selection, pcrValues })
      for (let round = 0; seen.r === 0 || seen.s === 0; round += 1) {
        assert.isBelow(round, 20_000)
        const signature = Result.getOrThrow(decodeTpmtSignature(signer.signed(attestation)))
        if (signature.algorithm !== Algorithm.ecdsa) throw new Error("an ECDSA signature is one")
        const stripped = (value: Uint8Array) => value.subarray(value.findIndex((byte) => byte !== 0))
        const short = { ...signature, r: stripped(signature.r), s: stripped(signature.s) }
        if (short.r.length === size && short.s.length === size) continue
        seen.r += size - short.r.length
        seen.s += size - short.s.length
        const verify = (changed: typeof signature) =>
          verifyQuote({
            ...good,
            attestation,
            signature: encodeTpmtSignature(changed),
            attestationKey: signer.key,
            expected: "any"
          })
        assert.isTrue(Result.isSuccess(verify(signature)))
        assert.isTrue(Result.isSuccess(verify(short)))
        const long = { ...signature, r: Uint8Array.from([0, ...signature.r]) }
        assert.strictEqual(failure(verify(long)).field, "TPMT_SIGNATURE.signatureR")
      }
    }
  )

  it("names what is wrong", () => {
    const change = (changed: Parameters<typeof tpm.quote>[0]["change"]) =>
      fieldOf(tpm.quote({ nonce, selection, pcrValues, ...changed === undefined ? {} : { change: changed } }))
    const patched = (at: number, value: number): Uint8Array => {
      const attestation = made.attestation.slice()
      attestation[at] = value
      return attestation
    }
    const resigned = (attestation: Uint8Array) => fieldOf({ attestation, signature: tpm.signed(attestation) })
    assert.strictEqual(resigned(patched(0, 0xfe)), "TPMS_ATTEST.magic")
    assert.strictEqual(resigned(patched(5, 0x17)), "TPMS_ATTEST.type")
    assert.strictEqual(resigned(made.attestation.slice(0, -1)), "TPMS_ATTEST.attested.pcrDigest")
    assert.strictEqual(resigned(Uint8Array.from([...made.attestation, 0])), "TPMS_ATTEST.end")
    assert.strictEqual(fieldOf({ nonce: nonce.slice(1) }), "TPMS_ATTEST.extraData")
    assert.strictEqual(fieldOf({ nonce: new Uint8Array() }), "nonce")
    assert.strictEqual(change({ extraData: new Uint8Array() }), "TPMS_ATTEST.extraData")
    assert.strictEqual(fieldOf({ attestationKey: softwareTpm().key }), "TPMS_ATTEST.qualifiedSigner")
    assert.strictEqual(fieldOf({ signature: softwareTpm().signed(made.attestation) }), "TPMT_SIGNATURE.signatureS")
    assert.strictEqual(fieldOf({ signature: made.signature.slice(0, -1) }), "TPMT_SIGNATURE.signatureS")
    assert.strictEqual(fieldOf({ signature: Uint8Array.from([...made.signature, 0]) }), "TPMT_SIGNATURE.end")
    assert.strictEqual(fieldOf({ expected: { pcrDigest: new Uint8Array(32) } }), "TPMS_ATTEST.attested.pcrDigest")
    assert.strictEqual(fieldOf({ expected: { pcrValues: new Map() } }), "pcrValues")
    // The same bytes one after another, and other values: a byte of PCR 1 has gone over to PCR 0.
    const [zero, one] = [0, 1].map((pcr) => pcrValues.get(Algorithm.sha256)?.get(pcr) ?? new Uint8Array())
    const moved = new Map(pcrValues.get(Algorithm.sha256))
      .set(0, Uint8Array.from([...zero ?? [], ...(one ?? new Uint8Array()).subarray(0, 1)]))
      .set(1, (one ?? new Uint8Array()).subarray(1))
    assert.strictEqual(fieldOf({ expected: { pcrValues: new Map([[Algorithm.sha256, moved]]) } }), "pcrValues")
  })

  it.each<{ readonly name: string; readonly quoted: PcrSelection }>([
    { name: "fewer PCRs", quoted: [{ hash: Algorithm.sha256, pcrs: [0, 1, 2, 3, 4, 7, 12] }] },
    { name: "more PCRs", quoted: [{ hash: Algorithm.sha256, pcrs: [0, 1, 2, 3, 4, 7, 12, 14, 16] }] },
    { name: "another bank", quoted: [{ hash: Algorithm.sha1, pcrs: [0, 1, 2, 3, 4, 7, 12, 14] }] },
    { name: "a bank more", quoted: [...selection, { hash: Algorithm.sha1, pcrs: [0] }] },
    { name: "an empty bank more", quoted: [...selection, { hash: Algorithm.sha1, pcrs: [] }] },
    { name: "no bank", quoted: [] }
  ])("refuses a quote over $name", ({ quoted }) => {
    const quote = tpm.quote({ nonce, selection: quoted, pcrValues: someValues(quoted) })
    assert.strictEqual(fieldOf({ ...quote, expected: "any" }), "TPMS_ATTEST.attested.pcrSelect")
  })

  it("refuses a signature of another scheme or hash than the key's", () => {
    const rsa = softwareTpm("rsassa")
    const signature = rsa.signed(made.attestation)
    assert.strictEqual(fieldOf({ signature }), "TPMT_SIGNATURE.sigAlg")
    const longer = tpm.signed(made.attestation, "sha384")
    assert.strictEqual(fieldOf({ signature: longer }), "TPMT_SIGNATURE.hash")
    const weak = Result.getOrThrow(decodeTpmtSignature(made.signature))
    assert.strictEqual(
      fieldOf({ signature: encodeTpmtSignature({ ...weak, hash: Algorithm.sha1 }) }),
      "TPMT_SIGNATURE.hash"
    )
    assert.strictEqual(fieldOf({ signature: encodeTpmtSignature({ ...weak, hash: 0xb0b }) }), "TPMT_SIGNATURE.hash")
  })

  it.prop("answers any key, signature and nonce with an error and never a crash", [
    TpmtPublic,
    Schema.Uint8Array,
    Schema.Uint8Array,
    Schema.Literals([Algorithm.rsassa, Algorithm.ecdsa])
  ], ([area, first, second, algorithm]) => {
    const attestationKey = { ...area, attributes: tpm.key.attributes, scheme: { algorithm, hash: Algorithm.sha256 } }
    const scheme = { hash: Algorithm.sha256 }
    const signature = encodeTpmtSignature(
      algorithm === Algorithm.rsassa
        ? { algorithm, ...scheme, signature: first }
        : { algorithm, ...scheme, r: first, s: second }
    )
    const change = { qualifiedSigner: endorsementQualifiedName(attestationKey) }
    const { attestation } = tpm.quote({ nonce, selection, pcrValues, change })
    assert.isNotEmpty(fieldOf({ attestation, signature, attestationKey }))
    assert.isNotEmpty(fieldOf({ nonce: first }))
    assert.isNotEmpty(fieldOf({ attestation: first, signature: second }))
  }, { arbitrary: { runs: 500 } })

  it.each([
    { name: "is not restricted", attributes: 0x0004_0472 },
    { name: "can leave its TPM", attributes: 0x0005_0470 },
    { name: "decrypts too", attributes: 0x0007_0472 },
    { name: "does not sign", attributes: 0x0001_0472 }
  ])("refuses a key that $name, whatever it signed", ({ attributes }) => {
    assert.strictEqual(fieldOf({ attestationKey: { ...tpm.key, attributes } }), "attestationKey.objectAttributes")
  })
})
