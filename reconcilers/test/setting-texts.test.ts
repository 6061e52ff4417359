import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { parsePorts, type PortRange, renderPorts, union } from "../src/kernel-settings/PortList.ts"
import { type SettingValue, wantedText } from "../src/kernel-settings/Setting.ts"

const at = (text: string): SettingValue => ({ text, writable: true })

const Number32 = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 2 ** 31 - 1 })))
const AnyWish = Schema.Union([
  Schema.Struct({ is: Schema.Literals(["at least", "exactly"]), value: Number32 }),
  Schema.Struct({ is: Schema.Literal("range"), low: Number32, high: Number32 }),
  Schema.Struct({
    is: Schema.Literal("ports"),
    ports: Schema.Array(Schema.Struct({ first: Schema.Literals([1, 443]), last: Schema.Literals([443, 9001]) }))
  }),
  Schema.Struct({ is: Schema.Literal("not strict"), all: Schema.Literal("all") })
])
const AnyText = Schema.Union([
  Schema.String,
  Schema.Literals(["", "0", "1", "2", "1\t2", "1 2", "1\t2\t3", "1-3,9", "9-1"])
])

describe("whatever a setting's file says", () => {
  it.prop("what is written to it is as wished, and nothing is written over what is not understood", [
    AnyWish,
    AnyText,
    AnyText
  ], ([wish, text, all]) => {
    const setting = { path: "own", wish }
    const written = wantedText(setting, new Map([["own", at(text)], ["all", at(all)]]))
    if (written === undefined) return
    assert.match(text, /^[0-9\s,-]*$/)
    assert.isUndefined(wantedText(setting, new Map([["own", at(written)], ["all", at(all)]])))
  })
})

const Range = Schema.Tuple([
  Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 65_535 }))),
  Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 40 })))
])
const rangesOf = (pairs: ReadonlyArray<readonly [number, number]>): ReadonlyArray<PortRange> =>
  pairs.map(([first, more]) => ({ first, last: Math.min(65_535, first + more) }))
const holds = (ranges: ReadonlyArray<PortRange>, port: number): boolean =>
  ranges.some(({ first, last }) => first <= port && port <= last)

describe("lists of ports", () => {
  it.prop("a union holds what either holds, and is read back as it was written", [
    Schema.Array(Range),
    Schema.Array(Range),
    Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 65_535 })))
  ], ([left, right, port]) => {
    const [one, other] = [rangesOf(left), rangesOf(right)]
    const both = union(one, other)
    assert.strictEqual(holds(both, port), holds(one, port) || holds(other, port))
    assert.deepStrictEqual(parsePorts(renderPorts(both)), both)
    assert.deepStrictEqual(union(both, one), both)
  })

  it.prop("anything else is refused, or read as ports", [Schema.String], ([text]) => {
    for (const { first, last } of parsePorts(text) ?? []) assert.isTrue(first <= last && last <= 65_535)
  })
})
