import { assert, describe, it } from "@effect/vitest"
import { ProofChallenge } from "@patela/domain/api/Proof"
import { Effect, Schema } from "effect"
import { TestClock } from "effect/testing"
import { Administration } from "../src/nodes/Administration.ts"
import { Nodes } from "../src/nodes/Nodes.ts"
import { nodeView } from "../src/nodes/NodeView.ts"
import { node1 } from "./rig/Fleet.ts"
import { type SoftwareTpm, softwareTpm } from "./rig/SoftwareTpm.ts"
import { TestApi, testApi } from "./rig/TestApi.ts"

const Waiting = Schema.Struct({ proof: ProofChallenge })

/** Asks to be let in, and answers with the challenge to prove the keys. */
const waits = Effect.fnUntraced(function*(tpm: SoftwareTpm) {
  const { ask } = yield* TestApi
  const { body } = yield* ask({ path: "/public/auth", body: tpm.request })
  return (yield* Effect.orDie(Schema.decodeUnknownEffect(Waiting)(body))).proof
})

const sends = Effect.fnUntraced(function*(body: unknown) {
  const { ask } = yield* TestApi
  return yield* ask({ path: "/public/proof", body })
})

const shown = Effect.map(
  Effect.flatMap(Nodes, ({ list }) => list),
  (nodes) => nodes.map((node) => nodeView(node, [], 1, "first-use", unchecked, 512).proven)
)

const unchecked = { state: "unchecked", digest: null, pcrs: null, shown_at: null, why: null } as const

describe("a machine that waits", () => {
  it.effect("proves that it holds its keys once, is listed so, and is then no longer asked", () =>
    Effect.gen(function*() {
      const { ask, rows } = yield* TestApi
      const tpm = softwareTpm()
      const challenge = yield* waits(tpm)
      assert.deepStrictEqual(yield* shown, [false])
      assert.strictEqual((yield* sends(tpm.prove(challenge))).status, 204)
      assert.deepStrictEqual(yield* shown, [true])
      const before = yield* rows
      const replayed = yield* sends(tpm.prove(challenge))
      assert.strictEqual(replayed.status, 403)
      assert.include(replayed.text, "urn:patela:problem:proof-refused")
      const again = yield* ask({ path: "/public/auth", body: tpm.request })
      assert.strictEqual(again.status, 401)
      assert.notInclude(again.text, "blob")
      assert.strictEqual(yield* rows, before, "nothing that is not authenticated takes it back")
    }).pipe(Effect.provide(testApi())))

  it.effect("is not believed with a proof of another machine, another challenge, an old one or none of ours", () =>
    Effect.gen(function*() {
      const { rows } = yield* TestApi
      const [one, two, stranger] = [softwareTpm(), softwareTpm(), softwareTpm()]
      const [ofOne, ofTwo] = [yield* waits(one), yield* waits(two)]
      const before = yield* rows
      assert.throws(() => two.prove(ofOne), /not for this TPM/)
      const good = one.prove(ofOne)
      const cases: ReadonlyArray<readonly [string, unknown, number]> = [
        ["another's keys", { ...good, ...two.request }, 403],
        ["another's challenge", { ...two.prove(ofTwo), ...one.request }, 403],
        ["the challenge exchanged", { ...good, challenge: ofTwo.challenge }, 403],
        ["a challenge of its own", { ...good, challenge: "ff".repeat(16) }, 403],
        ["another form of challenge", { ...good, challenge: "00" }, 403],
        ["a wrong MAC", { ...good, mac: "00".repeat(32) }, 403],
        ["a short MAC", { ...good, mac: "00" }, 400],
        ["no MAC", { ...one.request, challenge: ofOne.challenge }, 400],
        ["a forged name", { ...good, ak_name: two.request.ak_name }, 400],
        ["a machine that was never seen", { ...good, ...stranger.request }, 403]
      ]
      for (const [title, body, status] of cases) assert.strictEqual((yield* sends(body)).status, status, title)
      yield* TestClock.adjust("60 seconds")
      assert.include((yield* sends(good)).text, "60 seconds")
      assert.strictEqual(yield* rows, before)
      assert.strictEqual((yield* sends(one.prove(yield* waits(one)))).status, 204)
    }).pipe(Effect.provide(testApi())))

  it.effect("proves nothing any more once it is enabled, disabled, or dropped and come again", () =>
    Effect.gen(function*() {
      const { ask } = yield* TestApi
      const tpm = softwareTpm()
      const proof = tpm.prove(yield* waits(tpm))
      const { setEnabled } = yield* Administration
      yield* setEnabled("test", node1, true)
      assert.strictEqual((yield* sends(proof)).status, 403)
      yield* setEnabled("test", node1, false)
      assert.strictEqual((yield* sends(proof)).status, 403)
      assert.notInclude((yield* ask({ path: "/public/auth", body: tpm.request })).text, "blob")

      const other = softwareTpm()
      const early = other.prove(yield* waits(other))
      const { dropExpired } = yield* Nodes
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* dropExpired({ machines: 1, days: 0 }), 1)
      yield* waits(other)
      assert.strictEqual((yield* sends(early)).status, 403, "a proof is of one number, and that is not given again")
    }).pipe(Effect.provide(testApi())))
})
