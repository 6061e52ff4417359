import { assert, describe, it } from "@effect/vitest"
import { NodeId } from "@patela/domain/node/NodeId"
import { Effect, Layer, Redacted, Schema } from "effect"
import { newTokenKey, TokenKey } from "../src/session/TokenKey.ts"
import { Tokens } from "../src/session/Tokens.ts"
import { sameBiscuit } from "./rig/sameBiscuit.ts"

const Claims = Schema.Struct({
  node: NodeId,
  epoch: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 2 ** 31 }))),
  made: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 4_000_000_000_000 })))
})
const keys = "ab".repeat(32)
const challenge = "cd".repeat(16)
const Damage = Schema.Struct({
  at: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 500 }))),
  letter: Schema.Literals(["A", "b", "0", "-", "_", "", "=", "AA"])
})

const tokens = Tokens.layer.pipe(
  Layer.provide(Layer.effect(TokenKey, Effect.map(newTokenKey, (key) => TokenKey.of({ private: key, old: [] }))))
)

describe("tokens", () => {
  it.effect.prop("say what was put into them", [Claims], ([claims]) =>
    Effect.gen(function*() {
      const { mint, read } = yield* Tokens
      const said = { ...claims, keys, challenge }
      assert.deepStrictEqual(yield* read(yield* mint(said)), { ...said, oldKey: false })
    }).pipe(Effect.provide(tokens)))

  it.effect.prop(
    "that were altered anywhere are refused, and the next good one is not",
    [Damage],
    ([{ at, letter }]) =>
      Effect.gen(function*() {
        const { mint, read } = yield* Tokens
        const claims = { node: NodeId.make(1), epoch: 1, keys, challenge, made: 0 }
        const good = Redacted.value(yield* mint(claims))
        const bad = good.slice(0, at) + letter + good.slice(at + 1)
        if (sameBiscuit(good, bad)) return
        const refusal = yield* Effect.flip(read(Redacted.make(bad)))
        assert.notInclude(refusal.message, bad)
        assert.deepStrictEqual(yield* read(Redacted.make(good)), { ...claims, oldKey: false })
      }).pipe(Effect.provide(tokens))
  )
})
