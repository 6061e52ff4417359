import { assert, describe, it } from "@effect/vitest"
import { NodeId } from "@patela/domain/node/NodeId"
import { Schema } from "effect"
import { type Boot, BootDigest, bootDigestOf } from "../src/boot/Boot.ts"
import { defaultSelection } from "../src/boot/bootSelection.ts"
import { bootStandingOf } from "../src/boot/BootStanding.ts"
import { type AllowedBoot, judgeBoot, refusalOf } from "../src/boot/judgeBoot.ts"

/** Few values, so that boots share some. */
const Values = Schema.Array(Schema.Literals(["0", "a", "b"])).pipe(
  Schema.check(Schema.isMinLength(defaultSelection.pcrs.length), Schema.isMaxLength(defaultSelection.pcrs.length))
)
type Values = typeof Values.Type

const Allowed = Schema.Array(Schema.Struct({
  values: Values,
  known: Schema.Boolean,
  learned_from: Schema.Literals([1, 2])
})).pipe(Schema.check(Schema.isMaxLength(6)))

const bootWith = (values: Values): Boot =>
  defaultSelection.pcrs.map((pcr, at) => ({ pcr, value: (values[at] ?? "0").repeat(64) }))

const allowedFrom = (entries: typeof Allowed.Type): ReadonlyArray<AllowedBoot> =>
  entries.map(({ values, known, learned_from }) => ({
    digest: bootDigestOf(bootWith(values)),
    boot: known ? bootWith(values) : null,
    learned_from: known ? learned_from : null
  }))

const node = NodeId.make(1)

describe("the judgement of a boot", () => {
  it.prop("law: a boot is allowed exactly where its digest is, whoever learned it and whatever else is", [
    Values,
    Allowed
  ], ([values, entries]) => {
    const [shown, allowed] = [bootWith(values), allowedFrom(entries)]
    const digest = bootDigestOf(shown)
    assert.strictEqual(judgeBoot(node, shown, allowed).allowed, allowed.some((one) => one.digest === digest))
    const learned = [...allowed, { digest, boot: shown, learned_from: 2 }]
    assert.isTrue(judgeBoot(node, shown, learned).allowed)
    assert.isFalse(judgeBoot(node, shown, learned.filter((one) => one.digest !== digest)).allowed)
  })

  it.prop("law: the PCR that is named is the first that differs from a boot that is allowed", [
    Values,
    Allowed
  ], ([values, entries]) => {
    const [shown, allowed] = [bootWith(values), allowedFrom(entries)]
    const verdict = judgeBoot(node, shown, allowed)
    if (verdict.allowed) return
    const named = verdict.difference
    assert.strictEqual(named === null, allowed.every(({ boot }) => boot === null))
    if (named === null) return
    const from = allowed.find((one) => one.digest === named.digest && one.boot !== null)
    const first = shown.find(({ value }, at) => from?.boot?.[at]?.value !== value)
    assert.deepStrictEqual([named.pcr, named.found], [first?.pcr, first?.value])
    assert.notStrictEqual(named.expected, named.found)
    // What this node was learned with goes before what others were.
    if (allowed.some((one) => one.learned_from === 1)) assert.strictEqual(named.learned_from, 1)
    assert.include(refusalOf(node, shown, named), `PCR ${named.pcr} of sha256 is ${named.found}`)
  })

  it.prop("law: each change of one PCR of the only boot that is allowed is named", [
    Values,
    Schema.Literals([0, 1, 2, 3, 4, 5, 6])
  ], ([values, at]) => {
    const learned = bootWith(values)
    const shown = learned.map((one, index) => index === at ? { ...one, value: "c".repeat(64) } : one)
    const allowed = [{ digest: bootDigestOf(learned), boot: learned, learned_from: 1 }]
    const verdict = judgeBoot(node, shown, allowed)
    assert.isFalse(verdict.allowed)
    if (!verdict.allowed) assert.strictEqual(verdict.difference?.pcr, defaultSelection.pcrs[at])
  })

  it.prop("law: a list says the same as the gate, where nodes are asked", [Values, Allowed], ([values, entries]) => {
    const [boot, allowed] = [bootWith(values), allowedFrom(entries)]
    const shown = { boot, shown_at: "2026-06-01T00:00:00.000Z", newest: "[]" }
    const { state, why } = bootStandingOf({ node, asked: true, selection: defaultSelection, shown, allowed })
    assert.strictEqual(state, judgeBoot(node, boot, allowed).allowed ? "allowed" : "not allowed")
    assert.strictEqual(why === null, state === "allowed")
    assert.strictEqual(
      bootStandingOf({ node, asked: false, selection: defaultSelection, shown, allowed }).state,
      "unchecked"
    )
    assert.strictEqual(
      bootStandingOf({ node, asked: true, selection: defaultSelection, shown: undefined, allowed }).state,
      "unknown"
    )
    const silent = { ...shown, newest: null }
    assert.strictEqual(
      bootStandingOf({ node, asked: true, selection: defaultSelection, shown: silent, allowed }).state,
      "unknown"
    )
  })

  it("a digest is read as people write it, and nothing else is", () => {
    const digest = bootDigestOf(bootWith([]))
    const read = Schema.decodeUnknownOption(BootDigest)
    for (const text of [digest, digest.toUpperCase(), `sha256:${digest}`, ` ${digest}\n`]) {
      assert.deepStrictEqual(read(text), read(digest))
    }
    for (const text of ["", "list", digest.slice(1), `${digest}0`, "g".repeat(64)]) {
      assert.strictEqual(read(text)._tag, "None", text)
    }
  })
})
