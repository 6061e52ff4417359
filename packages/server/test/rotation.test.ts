import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Redacted, Schema } from "effect"
import { TestClock } from "effect/testing"
import { Admission } from "../src/http/Admission.ts"
import { Administration } from "../src/nodes/Administration.ts"
import { Sessions } from "../src/session/Sessions.ts"
import { newTokenKey, TokenKey } from "../src/session/TokenKey.ts"
import { Tokens } from "../src/session/Tokens.ts"
import { biscuitPublicKey } from "./rig/biscuitPublicKey.ts"
import { enabledMany, node1, specs, tokenOf } from "./rig/Fleet.ts"
import { httpsAsk } from "./rig/httpsAsk.ts"
import { runningPatela } from "./rig/runningPatela.ts"
import { SealedText } from "./rig/SealedAnswer.ts"
import { environment, TestApi, testApi } from "./rig/TestApi.ts"

/** A server of these keys over the database of the test, as one that was started anew with other settings. */
const serverOf = Effect.fnUntraced(
  function*(key: Redacted.Redacted<string>, old: ReadonlyArray<Redacted.Redacted<string>>) {
    const services = yield* Layer.build(
      Layer.fresh(Layer.provideMerge(Admission.layer, Layer.mergeAll(Tokens.layer, Sessions.layer))).pipe(
        Layer.provide(Layer.succeed(TokenKey, TokenKey.of({ private: key, old })))
      )
    )
    const tokens = Context.get(services, Tokens)
    const { admit } = Context.get(services, Admission)
    return {
      token: Effect.provideService(tokenOf(node1), Tokens, tokens),
      admits: (token: string) =>
        Effect.match(admit(Redacted.make(token)), { onSuccess: () => true, onFailure: () => false })
    }
  }
)

describe("another key", () => {
  it.effect("with the old one beside it: sessions go on for 15 minutes, and none begins with the old key", () =>
    Effect.gen(function*() {
      yield* enabledMany(1)
      const [first, second] = [yield* newTokenKey, yield* newTokenKey]
      const before = yield* serverOf(first, [])
      const [live, unused] = [yield* before.token, yield* before.token]
      assert.isTrue(yield* before.admits(live))
      const after = yield* serverOf(second, [first])
      assert.isTrue(yield* after.admits(live), "a live session")
      assert.isFalse(yield* after.admits(unused), "an old key, also stolen, begins nothing")
      assert.isTrue(yield* after.admits(yield* after.token))
      assert.isFalse(yield* before.admits(yield* after.token), "the old server does not know the new key")
      yield* TestClock.adjust("15 minutes")
      const late = yield* before.token
      assert.isTrue(yield* before.admits(late))
      assert.isFalse(yield* after.admits(late), "the old key's time is over")
    }).pipe(Effect.provide(testApi())))

  it.effect("without the old one: every session has ended", () =>
    Effect.gen(function*() {
      yield* enabledMany(1)
      const before = yield* serverOf(yield* newTokenKey, [])
      const live = yield* before.token
      assert.isTrue(yield* before.admits(live))
      assert.isFalse(yield* (yield* serverOf(yield* newTokenKey, [])).admits(live))
    }).pipe(Effect.provide(testApi())))

  it.effect("the old key may be given as the public key alone", () =>
    Effect.gen(function*() {
      yield* enabledMany(1)
      const first = yield* newTokenKey
      const before = yield* serverOf(first, [])
      const live = yield* before.token
      assert.isTrue(yield* before.admits(live))
      const old = Redacted.make(yield* biscuitPublicKey(first))
      assert.isTrue(yield* (yield* serverOf(yield* newTokenKey, [old])).admits(live))
    }).pipe(Effect.provide(testApi())))

  it.effect("old keys come from PATELA_BISCUIT_OLD_KEYS, and a wrong one is named by its place", () =>
    Effect.gen(function*() {
      const [key, one, two] = [yield* newTokenKey, yield* newTokenKey, yield* newTokenKey].map(Redacted.value)
      const read = (old: string) =>
        Effect.scoped(Layer.build(TokenKey.layer)).pipe(
          Effect.map((services) => Context.get(services, TokenKey).old.map(Redacted.value)),
          Effect.provide(environment({ PATELA_BISCUIT_KEY: key ?? "", PATELA_BISCUIT_OLD_KEYS: old }))
        )
      assert.deepStrictEqual(yield* read(""), [])
      assert.deepStrictEqual(yield* read(`${one}, ${two}`), [one, two])
      const refused = yield* Effect.flip(read(`${one},secret`))
      assert.include(refused.message, "key 2")
      assert.notInclude(refused.message, "secret")
    }).pipe(Effect.provide(testApi())))
})

describe("patela run with another key", () => {
  it.live("goes on with the sessions of the old one, and new ones are of the new", () =>
    Effect.gen(function*() {
      const { enrolled, server, start, folder, pem } = yield* runningPatela
      const { tpm, token } = yield* enrolled
      const config = (port: number, bearer: string) =>
        Effect.map(
          httpsAsk({ port, ca: pem, path: "/private/config/resolved/node", token: bearer }),
          ({ status }) => status
        )
      assert.strictEqual(yield* config(server.port, token), 200)
      yield* server.stop
      const PATELA_BISCUIT_KEY = Redacted.value(yield* newTokenKey)
      const second = yield* start(0, { PATELA_BISCUIT_KEY, PATELA_BISCUIT_OLD_KEYS: `file:${folder}/token.key` })
      assert.strictEqual(yield* config(second.port, token), 200)
      const { text } = yield* httpsAsk({
        port: second.port,
        ca: pem,
        path: "/public/auth",
        body: JSON.stringify(tpm.request)
      })
      const renewed = tpm.open(yield* Schema.decodeEffect(SealedText)(text))
      assert.strictEqual(yield* config(second.port, renewed), 200)
      yield* second.stop
      const third = yield* start(0, { PATELA_BISCUIT_KEY })
      assert.deepStrictEqual([yield* config(third.port, token), yield* config(third.port, renewed)], [401, 200])
    }), 120_000)
})

describe("revoking", () => {
  it.effect("ends every token of the node at once, of no other node, and leaves it enabled", () =>
    Effect.gen(function*() {
      const { ask } = yield* TestApi
      const [one, two] = yield* enabledMany(2)
      if (one === undefined || two === undefined) return assert.fail("no nodes")
      const administration = yield* Administration
      const status = (token: string) =>
        Effect.map(ask({ path: "/private/specs", body: specs, token }), ({ status }) => status)
      const unused = yield* tokenOf(node1)
      assert.deepStrictEqual([yield* status(one.token), yield* status(two.token)], [200, 200])
      assert.isTrue(yield* administration.revoke("test", node1))
      assert.deepStrictEqual([yield* status(one.token), yield* status(unused), yield* status(two.token)], [
        401,
        401,
        200
      ])
      assert.isTrue((yield* administration.node(node1)).enabled)
      assert.strictEqual(yield* status(yield* tokenOf(node1)), 200, "it authenticates again")
      yield* administration.setEnabled("test", node1, false)
      assert.isFalse(yield* administration.revoke("test", node1))
    }).pipe(Effect.provide(testApi())))
})
