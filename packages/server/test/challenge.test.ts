import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { TestClock } from "effect/testing"
import { Administration } from "../src/nodes/Administration.ts"
import { newChallenge } from "../src/session/challenge.ts"
import { CHALLENGE_LIFE, TOKEN_LIFE } from "../src/session/lifetimes.ts"
import { Sessions } from "../src/session/Sessions.ts"
import { enabledMany, node1, specs } from "./rig/Fleet.ts"
import { runs } from "./rig/runs.ts"
import { SealedAnswer } from "./rig/SealedAnswer.ts"
import { type SoftwareTpm, softwareTpm } from "./rig/SoftwareTpm.ts"
import { TestApi, testApi } from "./rig/TestApi.ts"

const challenged = Effect.fnUntraced(function*(tpm: SoftwareTpm) {
  const { ask } = yield* TestApi
  const answer = yield* ask({ path: "/public/auth", body: tpm.request })
  return yield* Effect.orDie(Schema.decodeUnknownEffect(SealedAnswer)(answer.body))
})

const enabled = Effect.gen(function*() {
  const { ask } = yield* TestApi
  const tpm = softwareTpm()
  yield* ask({ path: "/public/auth", body: tpm.request })
  yield* (yield* Administration).setEnabled("test", node1, true)
  return tpm
})

const sessions = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  return (yield* Effect.orDie(sql`SELECT * FROM sessions`)).length
})

const use = Effect.fnUntraced(function*(token: string) {
  const { ask } = yield* TestApi
  return yield* ask({ path: "/private/specs", body: specs, token })
})

describe("a challenge", () => {
  it.effect("that was not used for 60 seconds begins nothing, however often it is opened", () =>
    Effect.gen(function*() {
      const { rows } = yield* TestApi
      const tpm = yield* enabled
      const sealed = yield* challenged(tpm)
      yield* TestClock.adjust("60 seconds")
      const before = yield* rows
      for (let time = 0; time < 2; time++) {
        const answer = yield* use(tpm.open(sealed))
        assert.strictEqual(answer.status, 401)
        assert.include(answer.text, "60 seconds")
      }
      assert.strictEqual(yield* rows, before)
    }).pipe(Effect.provide(testApi())))

  it.effect("begins one session, which opening it again makes no longer", () =>
    Effect.gen(function*() {
      const tpm = yield* enabled
      const sealed = yield* challenged(tpm)
      assert.strictEqual(sealed.expires_at, 60)
      assert.strictEqual(sealed.token_life, 900)
      yield* TestClock.adjust("59 seconds")
      assert.strictEqual((yield* use(tpm.open(sealed))).status, 200)
      assert.strictEqual((yield* use(tpm.open(sealed))).status, 200)
      assert.strictEqual(yield* sessions, 1)
      yield* TestClock.adjust(TOKEN_LIFE - CHALLENGE_LIFE)
      assert.strictEqual((yield* use(tpm.open(sealed))).status, 200)
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* use(tpm.open(sealed))).status, 401, "replayed after its session")
    }).pipe(Effect.provide(testApi())))

  it.effect("that two requests use at the same time begins one session", () =>
    Effect.gen(function*() {
      const tpm = yield* enabled
      const token = tpm.open(yield* challenged(tpm))
      const answers = yield* Effect.all(Array.from({ length: 10 }, () => use(token)), { concurrency: "unbounded" })
      assert.deepStrictEqual(new Set(answers.map(({ status }) => status)), new Set([200]))
      assert.strictEqual(yield* sessions, 1)
    }).pipe(Effect.provide(testApi())))

  it.effect("is bound to the keys: a node whose row was given another attestation key has no session", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const tpm = yield* enabled
      const token = tpm.open(yield* challenged(tpm))
      yield* sql`UPDATE nodes SET ak_public = ${softwareTpm().request.ak_public}`
      assert.strictEqual((yield* use(token)).status, 401)
    }).pipe(Effect.provide(testApi())))

  it.effect("writes nothing: whoever knows a node's public keys fills nothing by asking", () =>
    Effect.gen(function*() {
      const { rows } = yield* TestApi
      const tpm = yield* enabled
      const before = yield* rows
      for (let time = 0; time < 20; time++) yield* challenged(tpm)
      assert.strictEqual(yield* rows, before)
    }).pipe(Effect.provide(testApi())))
})

/** One step of a node's life: a new challenge, a use of an earlier one, or time that goes by. */
const Step = Schema.Union([
  Schema.Struct({ step: Schema.Literal("issue") }),
  Schema.Struct({
    step: Schema.Literal("use"),
    which: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 120 })))
  }),
  Schema.Struct({ step: Schema.Literal("burst") }),
  Schema.Struct({
    step: Schema.Literal("wait"),
    seconds: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 1000 })))
  })
])

describe("sessions", () => {
  it.effect.prop(
    "law: a challenge is used in its first minute or never, and what has ended does not begin again",
    [Schema.Array(Step)],
    ([steps]) =>
      Effect.gen(function*() {
        yield* enabledMany(1)
        const { enter } = yield* Sessions
        const issued: Array<{ readonly challenge: string; readonly made: number; used: boolean; ended: boolean }> = []
        let time = 0
        const issue = () => {
          const challenge = { challenge: newChallenge(), made: time, used: false, ended: false }
          issued.push(challenge)
          return challenge
        }
        const enters = Effect.fnUntraced(function*(one: (typeof issued)[number]) {
          const { challenge, made } = one
          const entry = yield* enter({ node: node1, epoch: 2, keys: "", challenge, made, oldKey: false })
          if (entry !== "begun" && entry !== "continued") {
            assert.isTrue(one.used || time - made >= CHALLENGE_LIFE, "an unused challenge of this minute is good")
            one.ended = one.ended || one.used
          } else {
            assert.isFalse(one.ended, "a session that ended began again")
            assert.isTrue(one.used || time - made < CHALLENGE_LIFE, "a challenge was used after its minute")
            assert.isBelow(time - made, TOKEN_LIFE)
            one.used = true
          }
        })
        for (const one of steps) {
          if (one.step === "issue") issue()
          else if (one.step === "burst") {
            // More than are kept: those that go first must stay gone.
            for (let count = 0; count < 70; count++) yield* enters(issue())
          } else if (one.step === "wait") {
            yield* TestClock.adjust(one.seconds * 1000)
            time += one.seconds * 1000
          } else {
            const known = issued[one.which % Math.max(1, issued.length)]
            if (known !== undefined) yield* enters(known)
          }
        }
        for (const one of issued) yield* enters(one)
      }).pipe(Effect.provide(testApi())),
    runs(25)
  )
})
