import { assert, describe, it } from "@effect/vitest"
import { Effect, Ref, Schema } from "effect"
import { certificateIndexes, chooseEndorsementKey } from "../src/identity/chooseEndorsementKey.ts"
import { kindInUse } from "../src/transport/kindInUse.ts"

const Others = Schema.Array(
  Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0x0180_0000, maximum: 0x01c0_0200 })))
)

describe("which endorsement key a TPM goes by", () => {
  it("is that of the first certificate of P-256, P-384, RSA-2048, and P-256 without any", () => {
    const { "ecc-p256": p256, "ecc-p384": p384, "rsa-2048": rsa } = certificateIndexes
    assert.strictEqual(chooseEndorsementKey([]), "ecc-p256")
    assert.strictEqual(chooseEndorsementKey([rsa, p384, p256]), "ecc-p256")
    assert.strictEqual(chooseEndorsementKey([rsa, p384]), "ecc-p384")
    assert.strictEqual(chooseEndorsementKey([rsa]), "rsa-2048")
  })

  it.prop("law: hangs on nothing else in NV memory, and not on its order", [Others, Others], ([others, more]) => {
    const certificates = Object.values(certificateIndexes)
    const strange = (indexes: ReadonlyArray<number>) => indexes.filter((index) => !certificates.includes(index))
    const wanted = others.filter((index) => index % 2 === 0).length % 8
    const present = certificates.filter((_, at) => (wanted & (1 << at)) !== 0)
    const chosen = chooseEndorsementKey(present)
    assert.strictEqual(chooseEndorsementKey([...strange(others), ...present.toReversed(), ...strange(more)]), chosen)
  })

  it.effect("is looked for once, and is what was named where something was", () =>
    Effect.gen(function*() {
      const looks = yield* Ref.make(0)
      const written = Effect.as(Ref.update(looks, (count) => count + 1), [certificateIndexes["ecc-p384"]])
      const free = kindInUse(undefined)
      assert.strictEqual(yield* free.of(written), "ecc-p384")
      assert.strictEqual(yield* free.of(written), "ecc-p384")
      assert.strictEqual(yield* Ref.get(looks), 1)
      yield* free.use("ecc-p256")
      assert.strictEqual(yield* free.of(written), "ecc-p256")
      assert.strictEqual(yield* kindInUse("rsa-2048").of(written), "rsa-2048")
      assert.strictEqual(yield* Ref.get(looks), 1)
    }))

  it.effect("is looked for again after a look that failed", () =>
    Effect.gen(function*() {
      const { of } = kindInUse(undefined)
      assert.strictEqual(yield* Effect.flip(of(Effect.fail("busy"))), "busy")
      assert.strictEqual(yield* of(Effect.succeed([certificateIndexes["rsa-2048"]])), "rsa-2048")
    }))
})
