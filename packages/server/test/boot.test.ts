import { assert, describe, it } from "@effect/vitest"
import { HEARTBEAT_MILLIS } from "@patela/domain/api/ConfigEvent"
import { MAX_EVENT_LOG } from "@patela/domain/attestation/BootEvidence"
import { decodeEventLog } from "@patela/tpm/eventlog/EventLog"
import { EventType } from "@patela/tpm/eventlog/EventType"
import { replayEventLog } from "@patela/tpm/eventlog/replayEventLog"
import type { PcrValues } from "@patela/tpm/quote/PcrValues"
import { Algorithm } from "@patela/tpm/structures/Algorithm"
import { Effect, Fiber, Option, Result, Schema } from "effect"
import { TestClock } from "effect/testing"
import { smallBoot, startupLocality, writtenLog } from "../../tpm/test/LogWriter.ts"
import { someValues } from "../../tpm/test/SoftwareTpm.ts"
import { Audit } from "../src/audit/Audit.ts"
import { BootPolicy } from "../src/boot/BootPolicy.ts"
import { defaultSelection, pcrSelectionOf } from "../src/boot/bootSelection.ts"
import { ShownBoots } from "../src/boot/ShownBoots.ts"
import { Administration } from "../src/nodes/Administration.ts"
import { Nodes } from "../src/nodes/Nodes.ts"
import { NetworkAdministration } from "../src/settings/NetworkAdministration.ts"
import { network, node1, specs } from "./rig/Fleet.ts"
import { SealedAnswer } from "./rig/SealedAnswer.ts"
import { type SoftwareTpm, softwareTpm } from "./rig/SoftwareTpm.ts"
import { TestApi, testApi } from "./rig/TestApi.ts"

const { sha1, sha256 } = Algorithm

const enroll = Effect.gen(function*() {
  const { ask } = yield* TestApi
  const tpm = softwareTpm()
  yield* ask({ path: "/public/auth", body: tpm.request })
  const node = (yield* (yield* Nodes).list).find(({ ak_name }) => ak_name === tpm.request.ak_name)
  if (node === undefined) return yield* Effect.die("not listed")
  yield* (yield* Administration).setEnabled("test", node.id, true)
  return tpm
})

const enrolled = Effect.gen(function*() {
  yield* (yield* NetworkAdministration).set("test", network)
  return yield* enroll
})

/** A new session, in which nothing was asked yet. */
const session = Effect.fnUntraced(function*(tpm: SoftwareTpm) {
  const { ask } = yield* TestApi
  const { body } = yield* ask({ path: "/public/auth", body: tpm.request })
  const sealed = yield* Effect.orDie(Schema.decodeUnknownEffect(SealedAnswer)(body))
  const token = tpm.open(sealed)
  return {
    challenge: sealed.challenge,
    asked: sealed.boot,
    show: (evidence: unknown) => ask({ path: "/private/evidence", token, body: evidence }),
    work: ask({ path: "/private/specs", token, body: specs }),
    token
  }
})

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

describe("evidence", () => {
  const eventLog = writtenLog([sha1, sha256], [startupLocality(3), ...smallBoot])
  const replayed = Result.getOrThrow(replayEventLog(Result.getOrThrow(decodeEventLog(eventLog)), sha256))
  const booted: PcrValues = new Map([[
    sha256,
    new Map(defaultSelection.pcrs.map((pcr) => [pcr, replayed.get(sha256)?.get(pcr) ?? new Uint8Array()]))
  ]])

  it.effect("with an event log is kept, log and all", () =>
    Effect.gen(function*() {
      const shown = yield* ShownBoots
      const tpm = yield* enrolled
      const first = yield* session(tpm)
      assert.strictEqual((yield* first.show(tpm.evidence(first.challenge, booted, { eventLog }))).status, 204)
      assert.deepStrictEqual(yield* shown.eventLog(node1), Option.some(eventLog))
      // As large as any that travels, which no other request may be.
      const large = yield* session(tpm)
      const long = { pcr: 8, type: EventType.ipl, data: new Uint8Array(MAX_EVENT_LOG - eventLog.length - 100) }
      const largest = writtenLog([sha1, sha256], [startupLocality(3), ...smallBoot, long])
      assert.isBelow(MAX_EVENT_LOG - largest.length, 100)
      const evidence = tpm.evidence(large.challenge, booted, { eventLog: largest })
      assert.strictEqual((yield* large.show(evidence)).status, 204)
      assert.deepStrictEqual(yield* shown.eventLog(node1), Option.some(largest))
      const elsewhere = { path: "/private/specs", token: large.token, body: evidence }
      assert.strictEqual((yield* (yield* TestApi).ask(elsewhere)).status, 413)
      const second = yield* session(tpm)
      assert.strictEqual((yield* second.show(tpm.evidence(second.challenge, booted))).status, 204)
      assert.deepStrictEqual(yield* shown.eventLog(node1), Option.none())
    }).pipe(Effect.provide(testApi())))

  it.effect("that proves nothing for its session is answered 4xx and changes nothing", () =>
    Effect.gen(function*() {
      const { rows } = yield* TestApi
      const policy = yield* BootPolicy
      const tpm = yield* enrolled
      const stranger = yield* enroll
      yield* policy.enforce("test", "on")
      const earlier = yield* session(tpm)
      const { challenge, show, work } = yield* session(tpm)
      // Begins the session, which is a row.
      assert.strictEqual((yield* show("{}")).status, 400)
      const before = yield* rows
      const evidence = tpm.evidence(challenge, booted, { eventLog })
      const fewer: PcrValues = new Map([[sha256, new Map([...booted.get(sha256) ?? []].slice(1))]])
      const more: PcrValues = new Map([[
        sha256,
        new Map([...booted.get(sha256) ?? [], [16, new Uint8Array(32)] as const])
      ]])
      const sha1Bank = someValues([{ hash: sha1, pcrs: defaultSelection.pcrs }])
      const both: PcrValues = new Map([...booted, ...sha1Bank])
      const cut = evidence.event_log?.slice(0, -2) ?? ""
      const cases: ReadonlyArray<readonly [string, unknown]> = [
        ["the nonce of another session", tpm.evidence(earlier.challenge, booted, { eventLog })],
        ["a challenge that nobody gave", tpm.evidence("00".repeat(16), booted)],
        ["fewer PCRs", tpm.evidence(challenge, fewer)],
        ["more PCRs", tpm.evidence(challenge, more)],
        ["another bank", tpm.evidence(challenge, sha1Bank)],
        ["another bank beside ours", tpm.evidence(challenge, both)],
        ["no PCR at all", tpm.evidence(challenge, new Map([[sha256, new Map<number, Uint8Array>()]]))],
        ["another node's quote", stranger.evidence(challenge, booted, { eventLog })],
        ["another node's signature", {
          ...evidence,
          signature: stranger.evidence(challenge, booted, { eventLog }).signature
        }],
        ["a log that was cut", { ...evidence, event_log: cut }],
        ["a log that was left out", { ...evidence, event_log: null }],
        [
          "a log that was cut before it was quoted",
          tpm.evidence(challenge, booted, { eventLog: eventLog.slice(0, -1) })
        ],
        ["a log of another boot", tpm.evidence(challenge, booted, { eventLog: writtenLog([sha256], smallBoot) })],
        ["a log that is too long", { ...evidence, event_log: "00".repeat(MAX_EVENT_LOG + 1) }],
        ["other values than were quoted", { ...evidence, pcr_values: tpm.evidence(challenge, good).pcr_values }],
        ["a PCR twice", { ...evidence, pcr_values: [...evidence.pcr_values, evidence.pcr_values[0]] }],
        ["no hex", { ...evidence, quote: "zz" }],
        ["a body that is too long", `"${"0".repeat(3 * MAX_EVENT_LOG)}"`]
      ]
      for (const [what, body] of cases) {
        const { status, text } = yield* show(body)
        assert.include([400, 413], status, `${what}: ${text}`)
        assert.strictEqual(yield* rows, before, what)
      }
      assert.strictEqual((yield* work).status, 401)
      assert.strictEqual((yield* show(evidence)).status, 204)
      const kept = yield* rows
      assert.strictEqual((yield* show(evidence)).status, 204, "once more, as when the answer was lost")
      assert.strictEqual((yield* show(tpm.evidence(challenge, good))).status, 400, "a session is of one boot")
      assert.strictEqual(yield* rows, kept)
    }).pipe(Effect.provide(testApi())), 60_000)

  it.effect(
    "of which one bit is another is refused, in the quote, its signature, the log and the values",
    () =>
      Effect.gen(function*() {
        const { rows } = yield* TestApi
        const tpm = yield* enrolled
        const { challenge, show } = yield* session(tpm)
        yield* show("{}")
        const before = yield* rows
        const evidence = tpm.evidence(challenge, booted, { eventLog })
        const flipped = (hex: string, at: number) => {
          const bytes = Buffer.from(hex, "hex")
          bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << (at % 8)), at)
          return bytes.toString("hex")
        }
        for (const part of ["quote", "signature", "event_log"] as const) {
          const text = evidence[part] ?? ""
          assert.isAbove(text.length, 100)
          // What the log is held against was tried byte by byte where it is verified.
          for (let at = 0; at < text.length / 2; at += part === "event_log" ? 23 : 1) {
            const { status } = yield* show({ ...evidence, [part]: flipped(text, at) })
            assert.strictEqual(status, 400, `${part}, byte ${at}`)
          }
        }
        for (const at of evidence.pcr_values.keys()) {
          const values = evidence.pcr_values.map((one, index) =>
            index === at ? { ...one, value: flipped(one.value, at) } : one
          )
          assert.strictEqual((yield* show({ ...evidence, pcr_values: values })).status, 400)
        }
        assert.strictEqual(yield* rows, before)
        assert.strictEqual((yield* show(evidence)).status, 204)
      }).pipe(Effect.provide(testApi())),
    60_000
  )

  it.effect("without a token is not read", () =>
    Effect.gen(function*() {
      const { ask, rows } = yield* TestApi
      const tpm = yield* enrolled
      const before = yield* rows
      const body = tpm.evidence("00".repeat(16), booted, { eventLog })
      for (const token of [undefined, "AAAA"]) {
        const answer = yield* ask({ path: "/private/evidence", body, ...token === undefined ? {} : { token } })
        assert.strictEqual(answer.status, 401)
        const long = { path: "/private/evidence", body: "0".repeat(3 * MAX_EVENT_LOG) }
        assert.strictEqual((yield* ask({ ...long, ...token === undefined ? {} : { token } })).status, 401)
      }
      assert.strictEqual(yield* rows, before)
    }).pipe(Effect.provide(testApi())))
})
