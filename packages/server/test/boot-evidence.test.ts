import { assert, describe, it } from "@effect/vitest"
import { MAX_EVENT_LOG } from "@patela/domain/attestation/BootEvidence"
import { decodeEventLog } from "@patela/tpm/eventlog/EventLog"
import { EventType } from "@patela/tpm/eventlog/EventType"
import { replayEventLog } from "@patela/tpm/eventlog/replayEventLog"
import type { PcrValues } from "@patela/tpm/quote/PcrValues"
import { Algorithm } from "@patela/tpm/structures/Algorithm"
import { Effect, Option, Result } from "effect"
import { smallBoot, startupLocality, writtenLog } from "../../tpm/test/LogWriter.ts"
import { someValues } from "../../tpm/test/SoftwareTpm.ts"
import { BootPolicy } from "../src/boot/BootPolicy.ts"
import { defaultSelection, pcrSelectionOf } from "../src/boot/bootSelection.ts"
import { ShownBoots } from "../src/boot/ShownBoots.ts"
import { enroll, enrolled, session } from "./rig/bootSession.ts"
import { node1 } from "./rig/Fleet.ts"
import { TestApi, testApi } from "./rig/TestApi.ts"

const { sha1, sha256 } = Algorithm

const good = someValues(pcrSelectionOf(defaultSelection))

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
    }).pipe(Effect.provide(testApi())), 120_000)

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
