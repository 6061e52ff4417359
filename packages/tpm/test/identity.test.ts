import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { attestationKeyFromHex, checkAttestationKey } from "../src/identity/AttestationKey.ts"
import { checkEndorsementKey, endorsementKeyFromHex } from "../src/identity/EndorsementKey.ts"
import { Algorithm } from "../src/structures/Algorithm.ts"
import { decodeTpm2bPublic, encodeTpm2bPublic, type TpmtPublic } from "../src/structures/TpmtPublic.ts"
import { akHex, attestationKey, ekHex, endorsementKeys, failure } from "./fixtures.ts"

/** Every key that differs from `key` in one bit of its bytes and can still be read. */
function* oneBitAway(key: TpmtPublic): Generator<TpmtPublic> {
  const whole = encodeTpm2bPublic(key)
  for (let bit = 0; bit < whole.length * 8; bit += 1) {
    const changed = whole.slice()
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    const read = decodeTpm2bPublic(changed)
    if (Result.isSuccess(read)) yield read.success
  }
}

describe("who may be an endorsement or an attestation key", () => {
  it("accepts the keys of a TPM", () => {
    assert.strictEqual(Result.getOrThrow(endorsementKeyFromHex(ekHex)).kind, "ecc-p256")
    assert.isTrue(Result.isSuccess(attestationKeyFromHex(akHex)))
  })

  it("takes neither for the other", () => {
    assert.strictEqual(failure(endorsementKeyFromHex(akHex)).field, "objectAttributes")
    assert.strictEqual(failure(attestationKeyFromHex(ekHex)).field, "objectAttributes")
    assert.strictEqual(failure(endorsementKeyFromHex("12")).field, "TPM2B_PUBLIC.TPMT_PUBLIC.size")
  })

  it.each(endorsementKeys)("accepts a $kind key, and no key one bit away from an ECC one", ({ kind, key }) => {
    assert.strictEqual(Result.getOrThrow(checkEndorsementKey(key)).kind, kind)
    for (const changed of oneBitAway(key)) {
      const checked = checkEndorsementKey(changed)
      // One RSA modulus is as good as another: only its form can be checked.
      if (Result.isSuccess(checked)) assert.isTrue(key.type === Algorithm.rsa)
      else assert.include(checked.failure.message, checked.failure.field)
    }
  })

  it("accepts no attestation key one bit away, and names the field", () => {
    const fields = new Set<string>()
    for (const changed of oneBitAway(attestationKey)) fields.add(failure(checkAttestationKey(changed)).field)
    for (const field of ["objectAttributes", "scheme", "unique", "curveID"]) {
      assert.isTrue(fields.has(field), field)
    }
  })

  it.each(Array.from({ length: 32 }, (_, bit) => bit))("demands attribute bit %i", (bit) => {
    const flip = (key: TpmtPublic): TpmtPublic => ({ ...key, attributes: (key.attributes ^ (2 ** bit)) >>> 0 })
    assert.strictEqual(failure(checkAttestationKey(flip(attestationKey))).field, "objectAttributes")
    for (const { key } of endorsementKeys) {
      assert.strictEqual(failure(checkEndorsementKey(flip(key))).field, "objectAttributes")
    }
  })

  it("refuses a policy, and points that are not on the curve", () => {
    assert.strictEqual(
      failure(checkAttestationKey({ ...attestationKey, authPolicy: new Uint8Array(32) })).field,
      "authPolicy"
    )
    if (attestationKey.type !== Algorithm.ecc) throw new Error("the attestation key is an ECC key")
    const beside: ReadonlyArray<Partial<typeof attestationKey>> = [
      { x: new Uint8Array(32), y: new Uint8Array(32) },
      { x: new Uint8Array(), y: new Uint8Array() },
      { x: new Uint8Array(32).fill(0xff) },
      { x: Uint8Array.from([0, ...attestationKey.x]) }
    ]
    for (const change of beside) {
      assert.strictEqual(failure(checkAttestationKey({ ...attestationKey, ...change })).field, "unique")
    }
  })
})
