import { assert, describe, it } from "@effect/vitest"
import { lastResult } from "@patela/domain/reconciler/lastResult"
import { Effect, Exit, Schema } from "effect"
import { decodedOnce } from "../src/host/decodedOnce.ts"

const Text = Schema.Literals(["a", "b", "not decodable"])

describe("what is the same again", () => {
  it.effect.prop(
    "is decoded once for as long as the text is the same, and to what it says",
    [Schema.Array(Text)],
    ([texts]) =>
      Effect.gen(function*() {
        let decodings = 0
        const decoded = decodedOnce((text) => {
          decodings += 1
          return text === "not decodable" ? Effect.fail(text) : Effect.succeed({ text })
        })
        let good: string | undefined
        for (const text of texts) {
          const before = decodings
          const exit = yield* Effect.exit(decoded(text))
          assert.deepStrictEqual(exit, text === "not decodable" ? Exit.fail(text) : Exit.succeed({ text }))
          assert.strictEqual(decodings - before, text === good ? 0 : 1)
          if (Exit.isSuccess(exit)) good = text
        }
      })
  )

  it.effect.prop(
    "is computed once for as long as every argument is the very same",
    [Schema.Array(Schema.Tuple([Schema.Literals([0, 1]), Schema.Literals([0, 1])]))],
    ([calls]) =>
      Effect.sync(() => {
        const values = [{}, {}]
        const pairOf = lastResult((one: object | undefined, other: object | undefined) => [one, other])
        let last: { readonly key: string; readonly pair: ReturnType<typeof pairOf> } | undefined
        for (const [one, other] of calls) {
          const pair = pairOf(values[one], values[other])
          assert.strictEqual(pair[0], values[one])
          assert.strictEqual(pair[1], values[other])
          if (last?.key === `${one}${other}`) assert.strictEqual(pair, last.pair)
          last = { key: `${one}${other}`, pair }
        }
      })
  )
})
