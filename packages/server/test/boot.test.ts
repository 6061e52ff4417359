import { assert, describe, it } from "@effect/vitest"
import { HEARTBEAT_MILLIS } from "@patela/domain/api/ConfigEvent"
import type { PcrValues } from "@patela/tpm/quote/PcrValues"
import { Algorithm } from "@patela/tpm/structures/Algorithm"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { someValues } from "../../tpm/test/SoftwareTpm.ts"
import { Audit } from "../src/audit/Audit.ts"
import { BootPolicy } from "../src/boot/BootPolicy.ts"
import { defaultSelection, pcrSelectionOf } from "../src/boot/bootSelection.ts"
import { enrolled, session } from "./rig/bootSession.ts"
import { node1 } from "./rig/Fleet.ts"
import { TestApi, testApi } from "./rig/TestApi.ts"

const { sha256 } = Algorithm

const good = someValues(pcrSelectionOf(defaultSelection))

const withPcr = (pcr: number, value: Uint8Array): PcrValues =>
  new Map([[sha256, new Map([...good.get(sha256) ?? [], [pcr, value] as const])]])

const other = withPcr(12, new Uint8Array(32).fill(7))

describe("boots that are not enforced", () => {
  it.effect("are not asked for", () =>
    Effect.gen(function*() {
      const { asked, work } = yield* session(yield* enrolled)
      assert.isUndefined(asked)
      assert.strictEqual((yield* work).status, 200)
      assert.strictEqual((yield* (yield* BootPolicy).standings)(node1).state, "unchecked")
    }).pipe(Effect.provide(testApi())))

  it.effect("are asked for with warn and listed, and refused to nobody", () =>
    Effect.gen(function*() {
      const policy = yield* BootPolicy
      const tpm = yield* enrolled
      yield* policy.enforce("test", "warn")
      const state = Effect.map(policy.standings, (of) => of(node1).state)
      const { asked, challenge, show, work } = yield* session(tpm)
      assert.deepStrictEqual(asked, defaultSelection)
      assert.strictEqual((yield* work).status, 200)
      assert.strictEqual(yield* state, "unknown")
      assert.strictEqual((yield* show(tpm.evidence(challenge, good))).status, 204)
      assert.strictEqual(yield* state, "not allowed")
      assert.strictEqual((yield* work).status, 200)
      yield* policy.learn("test", node1)
      assert.strictEqual(yield* state, "allowed")
      // Who shows nothing any more is not listed by what it showed before.
      yield* TestClock.adjust("1 minute")
      const silent = yield* session(tpm)
      assert.strictEqual((yield* silent.work).status, 200)
      assert.strictEqual(yield* state, "unknown")
      yield* silent.show(tpm.evidence(silent.challenge, good))
      assert.strictEqual(yield* state, "allowed")
    }).pipe(Effect.provide(testApi())))
})

describe("boots that are enforced", () => {
  it.effect("let a session in that showed what was learned, and name the PCR to one that did not", () =>
    Effect.gen(function*() {
      const policy = yield* BootPolicy
      const tpm = yield* enrolled
      yield* policy.enforce("test", "warn")
      assert.strictEqual((yield* Effect.flip(policy.learn("test", node1)))._tag, "NothingShown")
      const before = yield* session(tpm)
      assert.strictEqual((yield* before.work).status, 200)
      yield* policy.enforce("test", "on")
      const unshown = yield* before.work
      assert.strictEqual(unshown.status, 401, "a session of before authenticates again, by itself")
      assert.include(unshown.text, "has not shown what its node booted")

      const first = yield* session(tpm)
      assert.strictEqual((yield* first.show(tpm.evidence(first.challenge, good))).status, 204)
      const none = yield* first.work
      assert.strictEqual(none.status, 403)
      assert.include(none.text, "patela policy pcr learn 1")
      const { digest, changed } = yield* policy.learn("test", node1)
      assert.isTrue(changed)
      assert.isFalse((yield* policy.learn("test", node1)).changed)
      assert.strictEqual((yield* first.work).status, 200, "at once")

      const second = yield* session(tpm)
      assert.strictEqual((yield* second.show(tpm.evidence(second.challenge, other))).status, 204)
      const refused = yield* second.work
      assert.strictEqual(refused.status, 403)
      assert.include(refused.text, "urn:patela:problem:boot-not-allowed")
      assert.include(refused.text, `PCR 12 of sha256 is ${"07".repeat(32)} on node 1`)
      assert.strictEqual((yield* first.work).status, 200, "a session is judged by what it showed itself")

      const shownLast = (yield* policy.standings)(node1)
      assert.strictEqual(shownLast.state, "not allowed")
      if (shownLast.digest === null) return assert.fail("no digest")
      yield* policy.allow("test", shownLast.digest)
      assert.strictEqual((yield* second.work).status, 200)
      yield* policy.remove("test", digest)
      assert.strictEqual((yield* first.work).status, 403)
      yield* policy.enforce("test", "off")
      assert.strictEqual((yield* first.work).status, 200)
      assert.deepStrictEqual((yield* (yield* Audit).newest(5)).map(({ what }) => what), [
        "policy: boot enforcement set",
        "policy: boot removed",
        "policy: boot allowed",
        "policy: boot of node 1 learned",
        "policy: boot enforcement set"
      ])
    }).pipe(Effect.provide(testApi())))

  it.effect("end a stream of events at its next heartbeat, and open none", () =>
    Effect.gen(function*() {
      const { open } = yield* TestApi
      const policy = yield* BootPolicy
      const tpm = yield* enrolled
      yield* policy.enforce("test", "on")
      const { challenge, show, token } = yield* session(tpm)
      yield* show(tpm.evidence(challenge, good))
      assert.strictEqual((yield* open(token)).status, 403)
      const { digest } = yield* policy.learn("test", node1)
      const stream = yield* open(token)
      assert.strictEqual(stream.status, 200)
      assert.include(yield* stream.next, "event: config")
      yield* policy.remove("test", digest)
      const rest = yield* Effect.forkChild(stream.next)
      yield* TestClock.adjust(HEARTBEAT_MILLIS)
      assert.isUndefined(yield* Fiber.join(rest))
    }).pipe(Effect.provide(testApi())))

  it.effect("a digest that was allowed beforehand takes the values of who is learned from", () =>
    Effect.gen(function*() {
      const policy = yield* BootPolicy
      const tpm = yield* enrolled
      yield* policy.enforce("test", "on")
      const { challenge, show, work } = yield* session(tpm)
      yield* show(tpm.evidence(challenge, good))
      const { digest } = (yield* policy.standings)(node1)
      if (digest === null) return assert.fail("no digest")
      assert.isTrue(yield* policy.allow("test", digest))
      assert.isFalse(yield* policy.allow("test", digest))
      assert.strictEqual((yield* work).status, 200)
      assert.isTrue((yield* policy.learn("test", node1)).changed)
      assert.deepInclude((yield* policy.allowed)[0], { digest, learned_from: 1 })
    }).pipe(Effect.provide(testApi())))
})
