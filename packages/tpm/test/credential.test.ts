import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { createHash, createHmac } from "node:crypto"
import { kdfA, kdfE } from "../src/credential/kdf.ts"
import { makeCredential, protectCredential } from "../src/credential/makeCredential.ts"
import { Algorithm, EccCurve } from "../src/structures/Algorithm.ts"
import { toHex } from "../src/structures/Hex.ts"
import { nameOf } from "../src/structures/Name.ts"
import { attestationKey, bytes, endorsementKeys } from "./fixtures.ts"

const akName = nameOf(attestationKey)

describe("key derivation", () => {
  it("KDFa is HMAC in counter mode, one block and a cut second one", () => {
    const key = bytes("000102030405060708090a0b0c0d0e0f")
    const block = (counter: string, bits: string) =>
      createHmac("sha256", key).update(bytes(`${counter} 53544f5241474500 aabb cc ${bits}`)).digest("hex")
    const made = (bits: number) => toHex(kdfA("sha256", key, "STORAGE", bytes("aabb"), bytes("cc"), bits))
    assert.strictEqual(made(128), block("00000001", "00000080").slice(0, 32))
    assert.strictEqual(made(384), (block("00000001", "00000180") + block("00000002", "00000180")).slice(0, 96))
  })

  it("KDFe is one hash of a counter, Z, the use and the parties", () => {
    const block = (counter: string) =>
      createHash("sha256").update(bytes(`${counter} 0102 4944454e5449545900 03 04`)).digest("hex")
    const made = (bits: number) => toHex(kdfE("sha256", bytes("0102"), "IDENTITY", bytes("03"), bytes("04"), bits))
    assert.strictEqual(made(256), block("00000001"))
    assert.strictEqual(made(512), block("00000001") + block("00000002"))
  })

  it("a protected credential is the same for the same seed, and depends on the Name", () => {
    const input = {
      hash: "sha256",
      keyBits: 128,
      seed: new Uint8Array(32),
      akName,
      credential: new Uint8Array(32)
    } as const
    assert.strictEqual(toHex(protectCredential(input)), toHex(protectCredential(input)))
    assert.notStrictEqual(
      toHex(protectCredential(input)),
      toHex(protectCredential({ ...input, akName: akName.toReversed() }))
    )
  })
})

describe("makeCredential", () => {
  it.effect.each(endorsementKeys)("has the sizes that the TPM expects, for $kind", ({ key }) =>
    Effect.gen(function*() {
      const digest = key.nameAlgorithm === Algorithm.sha384 ? 48 : 32
      const made = yield* makeCredential({ endorsementKey: key, akName, credential: new Uint8Array(32) })
      assert.strictEqual(made.blob.length, 2 + 2 + digest + 2 + 32)
      const coordinate = key.type === Algorithm.ecc && key.curve === EccCurve.p384 ? 48 : 32
      assert.strictEqual(made.secret.length, key.type === Algorithm.rsa ? 2 + 256 : 2 + 2 * (2 + coordinate))
      const again = yield* makeCredential({ endorsementKey: key, akName, credential: new Uint8Array(32) })
      assert.notStrictEqual(toHex(again.blob), toHex(made.blob))
    }))

  it.effect("refuses what cannot be wrapped, naming the field", () =>
    Effect.gen(function*() {
      const { key } = endorsementKeys[0] ?? { key: attestationKey }
      const good = { endorsementKey: key, akName, credential: new Uint8Array(32) }
      const field = (change: Partial<typeof good>) =>
        Effect.map(Effect.flip(makeCredential({ ...good, ...change })), (error) => error.field)
      assert.strictEqual(yield* field({ credential: new Uint8Array(33) }), "credential")
      assert.strictEqual(yield* field({ credential: new Uint8Array() }), "credential")
      assert.strictEqual(yield* field({ akName: akName.subarray(1) }), "akName")
      assert.strictEqual(yield* field({ endorsementKey: attestationKey }), "endorsementKey.symmetric")
      if (key.type !== Algorithm.ecc) return
      assert.strictEqual(yield* field({ endorsementKey: { ...key, y: key.x } }), "endorsementKey.unique")
      assert.strictEqual(yield* field({ endorsementKey: { ...key, curve: 5 } }), "endorsementKey.curve")
    }))
})
