import { assert } from "@effect/vitest"
import { Effect, Result } from "effect"
import * as Arbitrary from "effect/Arbitrary"
import { mergeTorrcs } from "../../src/torrc/merge.ts"
import { parseTorrc } from "../../src/torrc/parse.ts"
import { renderTorrc } from "../../src/torrc/render.ts"
import { settingOf, type Torrc } from "../../src/torrc/Torrc.ts"
import { anyValue } from "../torrc/ArbitraryTorrc.ts"
import { anyLayerText, anyTorText } from "../torrc/ArbitraryTorText.ts"
import { askEach } from "./askEach.ts"
import { dumpDifference } from "./dumpDifference.ts"
import type { TorOracle } from "./TorOracle.ts"

const mustRead = (text: string): Torrc => Result.getOrThrow(parseTorrc(text)).lines

const countOf = (verdicts: ReadonlyArray<boolean>): number => verdicts.filter((taken) => taken).length

const anyReadableText = Arbitrary.filter(anyTorText, (text) => Result.isSuccess(parseTorrc(text)))

/** tor reads the same in so many texts as in our rendering of them, and refuses what we refuse. It takes most of them. */
export const sameInRenderings = Effect.fnUntraced(function*(tor: TorOracle, count: number) {
  const readable = yield* Arbitrary.sampleEffect(anyReadableText, { count })
  const texts = [...readable, ...yield* Arbitrary.sampleEffect(anyTorText, { count: Math.ceil(count / 5) })]
  const taken = yield* askEach(texts, async (text) => {
    const ours = parseTorrc(text)
    const meant = await tor.meaning(text)
    if (Result.isFailure(ours)) {
      // A newline or NUL in a value is refused though tor takes it (design, "Server"); all else tor refuses too.
      if (!/holds a control character/.test(ours.failure.message)) assert.isUndefined(meant, text)
      return false
    }
    const rendered = renderTorrc(ours.success.lines)
    assert.deepEqual(dumpDifference(meant, await tor.meaning(rendered)), [], `${text}---\n${rendered}`)
    return meant !== undefined
  })
  assert.isAtLeast(countOf(taken), count / 2)
})

/** tor reads just the value in any ContactInfo of ours. */
export const sameInContacts = Effect.fnUntraced(function*(tor: TorOracle, count: number) {
  const values = yield* Arbitrary.sampleEffect(anyValue, { count })
  yield* askEach([...values, ""], async (value) => {
    const meant = await tor.meaning(renderTorrc([settingOf("ContactInfo", value, 1)]))
    assert.isDefined(meant, value)
    assert.strictEqual(contactIn(meant ?? ""), value)
  })
})

/** tor lays a torrc over its defaults as our merge does. */
export const sameInTwoLayers = Effect.fnUntraced(function*(tor: TorOracle, count: number) {
  const pairs = yield* Arbitrary.sampleEffect(Arbitrary.all([anyLayerText, anyLayerText]), { count })
  const taken = yield* askEach(pairs, async ([low, high]) => {
    const meant = await tor.meaning(high, low)
    const merged = renderTorrc(mergeTorrcs([mustRead(low), mustRead(high)]))
    assert.deepEqual(dumpDifference(meant, await tor.meaning(merged)), [], `${low}---\n${high}---\n${merged}`)
    return meant !== undefined
  })
  assert.isAtLeast(countOf(taken), count / 2)
})

/** tor lays its command line over a torrc over its defaults as our merge lays a relay's layer over the other two. */
export const sameInThreeLayers = Effect.fnUntraced(function*(tor: TorOracle, count: number) {
  const triples = yield* Arbitrary.sampleEffect(Arbitrary.all([anyLayerText, anyLayerText, anyLayerText]), { count })
  const taken = yield* askEach(triples, async ([low, middle, high]) => {
    // An argument is a value as it is, with neither quotes nor comments; an empty one tor would take for missing.
    const top = mustRead(high).filter(({ mode, value }) => mode === "clear" || value !== "")
    const meant = await tor.meaning(middle, low, top.flatMap(argumentsOf))
    const merged = renderTorrc(mergeTorrcs([mustRead(low), mustRead(middle), top]))
    const said = `${low}---\n${middle}---\n${renderTorrc(top)}---\n${merged}`
    assert.deepEqual(dumpDifference(meant, await tor.meaning(merged)), [], said)
    return meant !== undefined
  })
  assert.isAtLeast(countOf(taken), count / 2)
})

const SIGN = { set: "--", append: "+", clear: "/" } as const

const argumentsOf = ({ option, mode, value }: Torrc[number]): ReadonlyArray<string> => [
  `${SIGN[mode]}${option}`,
  ...mode === "clear" ? [] : [value]
]

/** The ContactInfo of a dump, read with our own rules where tor quoted it. */
const contactIn = (dump: string): string => {
  const line = dump.split("\n").find((text) => text.startsWith("ContactInfo "))?.slice("ContactInfo ".length) ?? ""
  return line.startsWith("\"") ? mustRead(`ContactInfo ${line}`)[0]?.value ?? "" : line
}
