import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import {
  type ChainedEntry,
  type ChainFault,
  chainFaults,
  type ChainHead,
  chainStart,
  checkEntry,
  faultText,
  type SeenEntry
} from "../src/audit/ChainCheck.ts"
import { entryDigest, NO_DIGEST } from "../src/audit/entryDigest.ts"

const Text = Schema.String
const Change = Schema.Struct({ who: Text, what: Text, before: Schema.NullOr(Text), after: Schema.NullOr(Text) })
const Changes = Schema.Array(Change).pipe(Schema.check(Schema.isMinLength(2), Schema.isMaxLength(12)))
const Place = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 9999 })))

interface Log {
  readonly entries: ReadonlyArray<ChainedEntry>
  readonly head: ChainHead
}

/** As `Audit` writes it, whose texts are well formed. */
const logOf = (changes: ReadonlyArray<typeof Change.Type>): Log => {
  const entries: Array<ChainedEntry> = []
  let digest = NO_DIGEST
  for (const { who, what, before, after } of changes) {
    const fields = {
      id: entries.length + 1,
      happened_at: `2026-03-01T00:00:00.${String(entries.length).padStart(3, "0")}Z`,
      who: who.toWellFormed(),
      what: what.toWellFormed(),
      value_before: before?.toWellFormed() ?? null,
      value_after: after?.toWellFormed() ?? null
    }
    digest = entryDigest(digest, fields)
    entries.push({ ...fields, digest })
  }
  return { entries, head: { last_id: entries.length, digest } }
}

/** As `verifyAudit` looks at it. */
const faultsOf = ({ entries, head }: Log, seen?: SeenEntry): ReadonlyArray<ChainFault> => {
  const counted = entries.filter(({ id }) => id >= 1 && id <= head.last_id)
  const beyond = entries.filter(({ id }) => id < 1 || id > head.last_id).map(({ id }) => id)
  const check = counted.reduce((so, entry) => checkEntry(so, entry, seen), chainStart)
  return chainFaults(check, head, beyond, seen)
}

const other = (text: string | null): string => text === null ? "" : `${text}x`

const CHANGES = {
  who: (entry: ChainedEntry) => ({ ...entry, who: other(entry.who) }),
  what: (entry: ChainedEntry) => ({ ...entry, what: entry.what === "" ? "x" : entry.what.slice(1) }),
  happened_at: (entry: ChainedEntry) => ({ ...entry, happened_at: other(entry.happened_at) }),
  value_before: (entry: ChainedEntry) => ({ ...entry, value_before: other(entry.value_before) }),
  value_after: (entry: ChainedEntry) => ({ ...entry, value_after: entry.value_after === null ? "null" : null }),
  shifted: (entry: ChainedEntry) => ({ ...entry, who: `${entry.who}a`, what: entry.what.replace(/^a/, "") }),
  digest: (entry: ChainedEntry) => ({ ...entry, digest: entryDigest(entry.digest, entry) }),
  "no digest": (entry: ChainedEntry) => ({ ...entry, digest: "" })
} as const
const NAMES = [
  "who",
  "what",
  "happened_at",
  "value_before",
  "value_after",
  "shifted",
  "digest",
  "no digest"
] as const satisfies ReadonlyArray<keyof typeof CHANGES>

const RUNS = { arbitrary: { runs: 200 } }

describe("the chain of the audit log", () => {
  it.prop("law: a log as it was written has no fault, also with any of its entries seen before", [
    Schema.Array(Change),
    Place
  ], ([changes, at]) => {
    const log = logOf(changes)
    assert.deepStrictEqual(faultsOf(log), [])
    const entry = log.entries[at % Math.max(1, changes.length)]
    if (entry !== undefined) assert.deepStrictEqual(faultsOf(log, entry), [])
  }, RUNS)

  it.prop("law: an entry of which anything was changed is named, and no other", [
    Changes,
    Place,
    Schema.Literals(NAMES)
  ], ([changes, at, name]) => {
    const { entries, head } = logOf(changes)
    const index = at % entries.length
    const changed = entries.map((entry, place) => place === index ? CHANGES[name](entry) : entry)
    assert.deepStrictEqual(faultsOf({ entries: changed, head }), [{ kind: "changed", from: index + 1, to: index + 1 }])
  }, RUNS)

  it.prop("law: entries that were removed are named, whether from the middle or from the end", [
    Changes,
    Place,
    Place
  ], ([changes, from, count]) => {
    const { entries, head } = logOf(changes)
    const first = from % entries.length
    const last = Math.min(entries.length - 1, first + count % 3)
    const left = entries.filter((_, index) => index < first || index > last)
    const kind = last === entries.length - 1 ? "cut" : "missing"
    assert.deepStrictEqual(faultsOf({ entries: left, head }), [{ kind, from: first + 1, to: last + 1 }])
  }, RUNS)

  it.prop("law: entries that were exchanged are both named, with or without their digests", [
    Changes,
    Place,
    Place,
    Schema.Boolean
  ], ([changes, one, two, digests]) => {
    const { entries, head } = logOf(changes)
    const [a, b] = [one % entries.length, two % entries.length]
    if (a === b) return
    const at = (index: number, from: ChainedEntry): ChainedEntry => {
      const own = entries[index]
      return { ...from, id: index + 1, digest: digests || own === undefined ? from.digest : own.digest }
    }
    const exchanged = entries.map((entry, index) => {
      const with_ = index === a ? entries[b] : index === b ? entries[a] : undefined
      return with_ === undefined ? entry : at(index, with_)
    })
    const named = faultsOf({ entries: exchanged, head }).flatMap(({ kind, from, to }) =>
      kind === "changed" ? Array.from({ length: to - from + 1 }, (_, step) => from + step) : []
    )
    assert.includeMembers(named, [a + 1, b + 1])
  }, RUNS)

  it.prop("law: closing the gap of a removed entry, or putting one in, is found", [
    Changes,
    Place,
    Schema.Boolean,
    Schema.Boolean
  ], ([changes, at, puts, head_]) => {
    const { entries, head } = logOf(changes)
    const index = at % entries.length
    const found = entries[index]
    if (found === undefined) return
    const shifted = (puts ? entries.toSpliced(index, 0, found) : entries.toSpliced(index, 1))
      .map((entry, place) => ({ ...entry, id: place + 1 }))
    const last = shifted.at(-1)
    const end = head_ ? { last_id: shifted.length, digest: last?.digest ?? "" } : head
    // The newest taken off and the head put back to match is a log that ended there: only a noted entry tells.
    const seen = { id: entries.length, digest: head.digest }
    assert.isNotEmpty(faultsOf({ entries: shifted, head: end }, seen))
  }, RUNS)

  it.prop(
    "law: a log that was written anew as a whole differs from what was seen",
    [Changes, Place],
    ([changes, at]) => {
      const before = logOf(changes)
      const index = at % changes.length
      const anew = logOf(
        changes.map((change, place) => place === index ? { ...change, who: `${change.who}x` } : change)
      )
      assert.deepStrictEqual(faultsOf(anew), [])
      const seen = before.entries.at(-1)
      assert.isNotEmpty(faultsOf(anew, seen))
    },
    RUNS
  )

  it.prop("law: no two entries read the same", [Change, Change, Schema.Boolean], ([one, two, moved]) => {
    const [first] = logOf([one]).entries
    // The same text with the border between two values elsewhere.
    const [second] =
      logOf([moved ? { ...one, who: one.who + one.what.slice(0, 1), what: one.what.slice(1) } : two]).entries
    if (first === undefined || second === undefined) return assert.fail("no entry")
    const same = JSON.stringify({ ...first, digest: "" }) === JSON.stringify({ ...second, digest: "" })
    assert.strictEqual(first.digest === second.digest, same)
  }, RUNS)

  it("names what says where it ends", () => {
    const { entries, head } = logOf([
      { who: "a", what: "b", before: null, after: "c" },
      { who: "a", what: "b", before: "c", after: "d" }
    ])
    assert.deepStrictEqual(faultsOf({ entries, head: { ...head, digest: "" } }), [{ kind: "head", from: 2, to: 2 }])
    assert.deepStrictEqual(faultsOf({ entries, head: { ...head, last_id: 1 } }), [
      { kind: "head", from: 1, to: 1 },
      { kind: "beyond", from: 2, to: 2 }
    ])
    assert.deepStrictEqual(faultsOf({ entries: [], head }).map(faultText), ["entries 1 to 2 were cut from the end"])
  })

  it("is computed as the documentation says", () => {
    // printf '15:patela audit v1,0:,1:1,24:2026-03-01T12:00:00.000Z,5:alice,11:network set,-,2:{},' | sha256sum
    assert.strictEqual(
      entryDigest("", {
        id: 1,
        happened_at: "2026-03-01T12:00:00.000Z",
        who: "alice",
        what: "network set",
        value_before: null,
        value_after: "{}"
      }),
      "776421e726ecae61131de463b9be8feec34f479f4c6df621da34c75767d8438f"
    )
  })
})
