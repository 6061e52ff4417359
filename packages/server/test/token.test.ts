import { assert, describe, it } from "@effect/vitest"
import { NodeId } from "@patela/domain/node/NodeId"
import { Clock, Effect, Layer, Redacted, Schema } from "effect"
import { TestClock } from "effect/testing"
import { renewedBiscuit } from "../src/session/renewedBiscuit.ts"
import { newTokenKey, TokenKey } from "../src/session/TokenKey.ts"
import { Tokens } from "../src/session/Tokens.ts"
import { packageBiscuit } from "./rig/packageBiscuit.ts"
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

const Steps = Schema.Array(Schema.Struct({
  /** Around the ends of the narrowed token and of the other, and the second in which they are. */
  millis: Schema.Literals([0, 1, 300, 999, 1000, 30_000, 58_500, 839_000, 899_700]),
  epoch: Schema.Literals([1, 2]),
  node: Schema.Literals([1, 2]),
  narrow: Schema.Boolean,
  toRead: Schema.Boolean
}))

const tokenKey = Layer.effect(TokenKey, Effect.map(newTokenKey, (key) => TokenKey.of({ private: key, old: [] })))
const tokens = Tokens.layer.pipe(Layer.provide(tokenKey))

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

  it.effect("cannot be widened by who holds them: what a later block says is nobody's word", () =>
    Effect.gen(function*() {
      const { authorize, mint, read } = yield* Tokens
      const biscuit = yield* packageBiscuit
      const claims = { node: NodeId.make(1), epoch: 1, keys, challenge, made: 0 }
      const token = yield* mint(claims)
      const key = biscuit.KeyPair.fromPrivateKey(
        biscuit.PrivateKey.fromString(Redacted.value((yield* TokenKey).private))
      )
      const appended = (code: string) => {
        const block = biscuit.Biscuit.block_builder()
        block.addCode(code)
        const parsed = biscuit.Biscuit.fromBase64(Redacted.value(token), key.getPublicKey())
        return Redacted.make(parsed.appendBlock(block).toBase64())
      }
      const standing = { node: claims.node, epoch: 2, keys }
      for (
        const code of [
          "node(2); epoch(2); made(9000000000000);",
          `standing(1, 1, "${keys}"); time(1970-01-01T00:00:00Z);`,
          `standing($n, $e, $k) <- node($n), epoch($e), keys($k);`
        ]
      ) {
        const wider = appended(code)
        assert.deepStrictEqual(yield* read(wider), { ...claims, oldKey: false })
        yield* authorize(wider, { ...standing, epoch: 1 })
        yield* Effect.flip(authorize(wider, standing))
        yield* Effect.flip(authorize(wider, { ...standing, node: NodeId.make(2) }))
        yield* Effect.flip(authorize(wider, { ...standing, epoch: 1, keys: "00".repeat(32) }))
      }
      yield* Effect.flip(authorize(appended("check if false;"), { ...standing, epoch: 1 }))
      yield* TestClock.adjust("15 minutes")
      yield* Effect.flip(authorize(token, { ...standing, epoch: 1 }))
    }).pipe(Effect.provide(Layer.provideMerge(Tokens.layer, Layer.fresh(tokenKey)))))

  it.effect("of another purpose, though this server signed them, are none", () =>
    Effect.gen(function*() {
      const { read } = yield* Tokens
      const biscuit = yield* packageBiscuit
      const builder = biscuit.Biscuit.builder()
      builder.addCode(`node(1); epoch(1); keys("${keys}"); challenge("${challenge}"); made(0); purpose("proof");`)
      const key = biscuit.PrivateKey.fromString(Redacted.value((yield* TokenKey).private))
      yield* Effect.flip(read(Redacted.make(builder.build(key).toBase64())))
    }).pipe(Effect.provide(Layer.provideMerge(Tokens.layer, Layer.fresh(tokenKey)))))

  it.effect.prop(
    "hold as for a server that never saw them before, whatever was said of them earlier",
    [Steps],
    ([steps]) =>
      Effect.gen(function*() {
        const { authorize, mint, read } = yield* Tokens
        const biscuit = yield* packageBiscuit
        yield* TestClock.adjust("300 millis")
        const claims = { node: NodeId.make(1), epoch: 1, keys, challenge, made: yield* Clock.currentTimeMillis }
        const signed = yield* mint(claims)
        using secret = biscuit.PrivateKey.fromString(Redacted.value((yield* TokenKey).private))
        using pair = biscuit.KeyPair.fromPrivateKey(secret)
        using block = biscuit.Biscuit.block_builder()
        block.addCode(`check if time($time), $time < ${new Date(claims.made + 60_000).toISOString()};`)
        using parsed = biscuit.Biscuit.fromBase64(Redacted.value(signed), pair.getPublicKey())
        using appended = parsed.appendBlock(block)
        const narrowed = Redacted.make(appended.toBase64())
        for (const { epoch, millis, narrow, node, toRead } of steps) {
          yield* TestClock.adjust(millis)
          const token = narrow ? narrowed : signed
          if (toRead) yield* read(token)
          const standing = { node: NodeId.make(node), epoch, keys }
          const verdict = yield* Effect.option(authorize(token, standing))
          const fresh = yield* Effect.option(
            Effect.flatMap(Tokens, (other) => other.authorize(token, standing)).pipe(
              Effect.provide(Layer.fresh(Tokens.layer))
            )
          )
          assert.strictEqual(verdict._tag, fresh._tag)
        }
      }).pipe(Effect.provide(Layer.provideMerge(Layer.fresh(Tokens.layer), Layer.fresh(tokenKey))))
  )

  it.effect("that held end with the second in which they end, as the authorizer has it", () =>
    Effect.gen(function*() {
      const { authorize, mint, read } = yield* Tokens
      yield* TestClock.adjust("300 millis")
      const token = yield* mint({ node: NodeId.make(1), epoch: 1, keys, challenge, made: 300 })
      yield* read(token)
      const standing = { node: NodeId.make(1), epoch: 1, keys }
      yield* authorize(token, standing)
      yield* TestClock.adjust("899699 millis")
      yield* authorize(token, standing)
      yield* TestClock.adjust("1 millis")
      yield* Effect.flip(authorize(token, standing))
    }).pipe(Effect.provide(Layer.fresh(tokens))))

  it.effect(
    "of a server that runs for long take no more memory, and are good whenever they were made",
    () =>
      Effect.gen(function*() {
        const { authorize, mint, read } = yield* Tokens
        const { size, biscuit } = yield* renewedBiscuit
        assert.notStrictEqual(biscuit.Biscuit, (yield* packageBiscuit).Biscuit, "it is the package's own copy")
        const claims = { node: NodeId.make(1), epoch: 1, keys, challenge, made: 0 }
        const standing = { node: claims.node, epoch: 1, keys }
        const first = yield* mint(claims)
        yield* authorize(first, standing)
        const sizes: Array<number> = []
        for (let count = 0; count < 1000; count += 1) {
          yield* read(yield* mint(claims))
          sizes.push(size())
        }
        assert.isAbove(sizes.filter((now, at) => now < (sizes[at - 1] ?? 0)).length, 1, "the instance was renewed")
        assert.isBelow(Math.max(...sizes), 12 * 1024 * 1024)
        yield* authorize(first, standing)
        assert.deepStrictEqual(yield* read(first), { ...claims, oldKey: false })
        yield* Effect.flip(authorize(first, { ...standing, epoch: 2 }))
      }).pipe(Effect.provide(Layer.fresh(tokens))),
    60_000
  )
})
