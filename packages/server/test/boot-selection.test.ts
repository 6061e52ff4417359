import { assert, describe, it } from "@effect/vitest"
import { BOOT_BANKS, type BootBank } from "@patela/domain/attestation/BootEvidence"
import { decodeEventLog } from "@patela/tpm/eventlog/EventLog"
import { replayEventLog } from "@patela/tpm/eventlog/replayEventLog"
import { parsePcrSelection } from "@patela/tpm/quote/parsePcrSelection"
import { Algorithm } from "@patela/tpm/structures/Algorithm"
import { Effect, Option, Result, Schema } from "effect"
import { TestClock } from "effect/testing"
import { smallBoot, writtenLog } from "../../tpm/test/LogWriter.ts"
import { someValues } from "../../tpm/test/SoftwareTpm.ts"
import { Audit } from "../src/audit/Audit.ts"
import { bootOf } from "../src/boot/Boot.ts"
import { BootPolicy } from "../src/boot/BootPolicy.ts"
import {
  defaultSelection,
  isOfSelection,
  pcrSelectionOf,
  selectionFromText,
  selectionText
} from "../src/boot/bootSelection.ts"
import { enrolled, session } from "./rig/bootSession.ts"
import { node1 } from "./rig/Fleet.ts"
import type { EvidenceChange, SoftwareTpm } from "./rig/SoftwareTpm.ts"
import { TestApi, testApi } from "./rig/TestApi.ts"

const select = (text: string, bank: BootBank = "sha256") => Result.getOrThrow(selectionFromText(text, bank))
const few = select("0,4")

/** A new session, later than any before. */
const laterSession = Effect.fnUntraced(function*(tpm: SoftwareTpm) {
  yield* TestClock.adjust("1 minute")
  const { asked, challenge, show, work } = yield* session(tpm)
  return {
    asked,
    work,
    show: (values: ReturnType<typeof someValues>, change: EvidenceChange = {}) =>
      show(tpm.evidence(challenge, values, change))
  }
})

const all = someValues(pcrSelectionOf(defaultSelection))
const fewer = someValues(pcrSelectionOf(few))

const state = Effect.map(Effect.flatMap(BootPolicy, (policy) => policy.standings), (of) => of(node1).state)

describe("the PCRs of the boot policy", () => {
  it.prop("law: are read from what is written of them, in any order", [
    Schema.Array(Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 23 })))),
    Schema.Literals(BOOT_BANKS)
  ], ([numbers, bank]) => {
    const pcrs = [...new Set(numbers)].filter((pcr) => pcr !== 16 && pcr !== 23)
    if (pcrs.length === 0) return
    const read = select(pcrs.join(","), bank)
    assert.deepStrictEqual(read, { bank, pcrs: pcrs.toSorted((left, right) => left - right) })
    // What is kept of it tells banks apart, and is in the words of tpm2-tools or, of SHA-256, of before there were others.
    const kept = selectionText(read)
    assert.deepStrictEqual(
      Result.getOrThrow(parsePcrSelection(kept.includes(":") ? kept : `sha256:${kept}`)),
      pcrSelectionOf(read)
    )
    for (const other of BOOT_BANKS) {
      assert.strictEqual(selectionText({ ...read, bank: other }) === kept, other === bank)
      const shown = bootOf(bank, someValues(pcrSelectionOf(read)))
      assert.strictEqual(isOfSelection(shown, { ...read, bank: other }), other === bank)
    }
  })

  it("are no others, and why not is said", () => {
    for (
      const [text, why] of [
        ["", "commas"],
        ["0;4", "commas"],
        ["0,,4", "commas"],
        ["-1", "commas"],
        ["0, 4", "commas"],
        ["sha256:0", "commas"],
        ["24", "0 to 23"],
        ["4,0,4", "twice"],
        ["0,16", "reset"],
        ["23", "reset"]
      ] as const
    ) {
      const read = selectionFromText(text, "sha256")
      assert.include(Option.getOrElse(Result.getFailure(read), () => "taken"), why, text)
    }
  })

  it.effect("can be selected: nodes are asked for them, and what was allowed of others does not apply", () =>
    Effect.gen(function*() {
      const policy = yield* BootPolicy
      const tpm = yield* enrolled
      yield* policy.enforce("test", "warn")
      const before = yield* laterSession(tpm)
      assert.strictEqual((yield* before.show(all)).status, 204)
      yield* policy.learn("test", node1)
      assert.strictEqual(yield* state, "allowed")

      assert.deepStrictEqual(yield* policy.select("test", few), { changed: true, inapplicable: 1, applicable: 0 })
      assert.deepInclude((yield* (yield* Audit).newest(1))[0], {
        value_before: "0,2,4,7,12,13,14",
        value_after: "0,4"
      })
      assert.strictEqual(yield* state, "unknown", "what it showed is of other PCRs")
      assert.deepStrictEqual(yield* policy.allowed, [])
      assert.strictEqual((yield* Effect.flip(policy.learn("test", node1)))._tag, "NothingShown")

      const after = yield* laterSession(tpm)
      assert.deepStrictEqual(after.asked, few)
      assert.strictEqual((yield* after.show(all)).status, 400, "more than was asked for")
      assert.strictEqual((yield* after.show(fewer)).status, 204)
      assert.strictEqual(yield* state, "not allowed")
      const { digest } = yield* policy.learn("test", node1)
      assert.strictEqual(yield* state, "allowed")
      yield* policy.enforce("test", "on")
      assert.strictEqual((yield* after.work).status, 200)
      assert.strictEqual((yield* before.work).status, 401, "a session that showed other PCRs authenticates again")

      assert.isTrue(yield* policy.remove("test", digest))
      assert.strictEqual((yield* after.work).status, 403)
      yield* policy.enforce("test", "warn")
      // Those of before are of these again.
      assert.deepStrictEqual(
        yield* policy.select("test", defaultSelection),
        { changed: true, inapplicable: 0, applicable: 1 }
      )
      yield* (yield* laterSession(tpm)).show(all)
      assert.strictEqual(yield* state, "allowed")
    }).pipe(Effect.provide(testApi())))

  it.effect("are not selected while boots are enforced, which would refuse every node", () =>
    Effect.gen(function*() {
      const { rows } = yield* TestApi
      const policy = yield* BootPolicy
      yield* policy.enforce("test", "on")
      const before = yield* rows
      const refused = yield* Effect.flip(policy.select("test", few))
      assert.include(refused.message, "patela policy pcr enforce warn")
      assert.strictEqual(yield* rows, before)
      assert.isFalse((yield* policy.select("test", defaultSelection)).changed, "those that are selected already")
    }).pipe(Effect.provide(testApi())))

  it.effect("are part of what is allowed: the digest of the same values of others is none", () =>
    Effect.gen(function*() {
      const policy = yield* BootPolicy
      const tpm = yield* enrolled
      yield* policy.enforce("test", "warn")
      const zero = (pcr: number) => new Map([[Algorithm.sha256, new Map([[pcr, new Uint8Array(32)]])]])
      yield* policy.select("test", select("12"))
      yield* (yield* laterSession(tpm)).show(zero(12))
      const { digest } = yield* policy.learn("test", node1)
      yield* policy.select("test", select("13"))
      yield* (yield* laterSession(tpm)).show(zero(13))
      assert.strictEqual((yield* policy.standings)(node1).digest, digest)
      assert.strictEqual(yield* state, "not allowed")
      assert.isFalse(yield* policy.allows(digest))
    }).pipe(Effect.provide(testApi())))

  it.effect("can be of another bank: its values and the log's digests of it count, and none of the bank of before", () =>
    Effect.gen(function*() {
      const policy = yield* BootPolicy
      const { rows } = yield* TestApi
      const tpm = yield* enrolled
      yield* policy.enforce("test", "warn")
      const before = yield* laterSession(tpm)
      yield* before.show(all)
      const { digest: old } = yield* policy.learn("test", node1)

      const wide = { ...defaultSelection, bank: "sha384" } as const
      assert.deepStrictEqual(yield* policy.select("test", wide), { changed: true, inapplicable: 1, applicable: 0 })
      assert.deepInclude((yield* (yield* Audit).newest(1))[0], {
        value_before: "0,2,4,7,12,13,14",
        value_after: "sha384:0,2,4,7,12,13,14"
      })
      assert.isFalse(yield* policy.allows(old), "it was allowed of the other bank")
      assert.strictEqual(yield* state, "unknown")
      assert.strictEqual((yield* Effect.flip(policy.learn("test", node1)))._tag, "NothingShown")

      // A log has digests of several banks: each leads to the values of its own.
      const eventLog = writtenLog([Algorithm.sha1, Algorithm.sha256, Algorithm.sha384], smallBoot)
      const log = Result.getOrThrow(decodeEventLog(eventLog))
      const booted = (bank: BootBank) => {
        const replayed = Result.getOrThrow(replayEventLog(log, Algorithm[bank])).get(Algorithm[bank])
        return new Map([[Algorithm[bank], new Map([...replayed ?? []].filter(([pcr]) => wide.pcrs.includes(pcr)))]])
      }
      const after = yield* laterSession(tpm)
      assert.deepStrictEqual(after.asked, wide)
      yield* after.work
      const untouched = yield* rows
      const both = new Map([...booted("sha384"), ...booted("sha256")])
      for (const values of [all, booted("sha256"), both]) {
        assert.strictEqual((yield* after.show(values, { eventLog })).status, 400, "another bank")
      }
      const narrow = writtenLog([Algorithm.sha256], smallBoot)
      const unknown = yield* after.show(booted("sha384"), { eventLog: narrow })
      assert.strictEqual(unknown.status, 400)
      assert.include(unknown.text, "no sha384 that can be replayed: sha256")
      assert.strictEqual(yield* rows, untouched)
      assert.strictEqual((yield* after.show(booted("sha384"), { eventLog })).status, 204)
      const { digest } = yield* policy.learn("test", node1)
      assert.strictEqual(yield* state, "allowed")
      yield* policy.enforce("test", "on")
      assert.strictEqual((yield* after.work).status, 200)
      assert.strictEqual((yield* before.work).status, 401, "a session that showed the other bank authenticates again")

      const changed = yield* laterSession(tpm)
      yield* changed.show(someValues(pcrSelectionOf(wide)))
      const refused = yield* changed.work
      assert.strictEqual(refused.status, 403)
      assert.match(refused.text, /PCR 0 of sha384 is [0-9a-f]{96} on node 1, and [0-9a-f]{96} was learned from node 1/)

      yield* policy.enforce("test", "warn")
      yield* policy.select("test", defaultSelection)
      assert.deepStrictEqual([yield* policy.allows(old), yield* policy.allows(digest)], [true, false])
    }).pipe(Effect.provide(testApi())))
})
