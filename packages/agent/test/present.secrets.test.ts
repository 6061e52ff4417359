import { assert, describe, it } from "@effect/vitest"
import { planJson } from "@patela/agent/present/PlanDocument"
import { planText } from "@patela/agent/present/PlanText"
import { plainStyle } from "@patela/agent/present/Style"
import { RelayName } from "@patela/domain/relay/RelayName"
import { lineDifferences } from "@patela/domain/torrc/lineDifferences"
import { OPTION_TABLE } from "@patela/domain/torrc/OptionTable"
import { parseTorrc } from "@patela/domain/torrc/parse"
import { REFUSED_OPTIONS } from "@patela/domain/torrc/refused"
import { shownLines } from "@patela/domain/torrc/shownLines"
import { Effect, Result, Schema } from "effect"
import * as Arbitrary from "effect/Arbitrary"
import { configOf, viewOf } from "./PresentCases.ts"
import { hostOf } from "./PresentHost.ts"

const CANARY = "CANARY"

const pick = <A extends string>(values: ReadonlyArray<A>): Arbitrary.Arbitrary<A> =>
  Arbitrary.schema(Schema.Literals(values))

/** Options whose values nobody may see: those that Patela refuses, and names that tor does not know. */
const SECRET_OPTIONS = [...REFUSED_OPTIONS.keys(), "NoSuchOption", "Pa55word", "XHashedControlPassword"]
const PLAIN_OPTIONS = OPTION_TABLE.map(({ name }) => name).filter((name) => !REFUSED_OPTIONS.has(name))

const odd = (name: string, how: string): string =>
  how === "lower" ? name.toLowerCase() : how === "upper" ? name.toUpperCase() : how === "mixed"
    ? [...name].map((letter, index) => index % 2 === 0 ? letter.toUpperCase() : letter.toLowerCase()).join("")
    : name

/** How a value with the canary is laid out. */
const LAYOUTS = [
  CANARY,
  `16:${CANARY}`,
  `"${CANARY}"`,
  `"a \\" ${CANARY} # no comment"`,
  `a \\\n${CANARY}`,
  `a\\\n\t b \\\n  ${CANARY} \\\n c`,
  `\\\n${CANARY}`,
  `a \\\n# comment ${CANARY}\n ${CANARY} \\\nb`,
  `a \\\n\n${CANARY}`,
  `x # ${CANARY}`,
  `Nickname \\\nExitRelay ${CANARY}`,
  `"${CANARY}\nNickname ${CANARY}"`,
  `"${CANARY}" trailing ${CANARY}`,
  `"bad \\q ${CANARY}"`,
  `a \\\r\nNickname ${CANARY}`,
  `${CANARY}\r`
]

const secretEntry = Arbitrary.map(
  Arbitrary.all({
    before: pick(["", " ", "\t", "  \t"]),
    sign: pick(["", "+", "/"]),
    name: pick(SECRET_OPTIONS),
    letters: pick(["as it is", "lower", "upper", "mixed"]),
    gap: pick([" ", "\t", " \t ", "  "]),
    layout: pick(LAYOUTS)
  }),
  ({ before, gap, layout, letters, name, sign }) => `${before}${sign}${odd(name, letters)}${gap}${layout}`
)

const otherEntry = Arbitrary.map(
  Arbitrary.all({
    sign: pick(["", "+"]),
    name: pick(PLAIN_OPTIONS),
    value: pick(["1", "\"a # b\"", "a \\\n  b", "", "c # remark", "accept *:80, \\\n reject *:*"])
  }),
  ({ name, sign, value }) => `${sign}${name} ${value}`
)

const remark = pick([`# ${CANARY}`, `   # ${CANARY} \\`, `#${CANARY}\\`, "", "\t"])

const entries = Arbitrary.array(
  Arbitrary.flatMap(
    pick(["secret", "other", "remark"]),
    (kind) => kind === "secret" ? secretEntry : kind === "other" ? otherEntry : remark
  ),
  { maxLength: 8 }
)

/** Torrcs in which the canary stands in values of secret options and in comments alone. */
const torrcs = Arbitrary.map(
  Arbitrary.all({ lines: entries, end: pick(["", "\n", "\\", "\\\n"]) }),
  ({ end, lines }) => lines.join("\n") + end
)

describe("secrets of a torrc", () => {
  it.effect.prop(
    "are not in what diff prints, however they are laid out in the file on the host",
    [torrcs, Arbitrary.schema(Schema.Boolean)],
    ([text, whole]) =>
      Effect.gen(function*() {
        const config = configOf({ count: 2 })
        const host = hostOf(config)
        const torrc = host.torrcs.get(RelayName.make("toma"))
        if (torrc?.type !== "file") return assert.fail("the relay has a torrc")
        const content = whole ? text : `${torrc.content}${text}`
        host.torrcs.set(RelayName.make("toma"), { ...torrc, content })
        const view = yield* viewOf({ host, config })
        assert.notInclude(planText(view, { style: plainStyle, full: true }), CANARY)
        assert.notInclude(planText(view, { style: plainStyle, full: false }), CANARY)
        assert.notInclude(yield* planJson(view), CANARY)
      }),
    { arbitrary: { runs: 200 } }
  )

  it.prop(
    "are found by what tor reads: a line of a value that is shown belongs to an option that may be",
    [torrcs],
    ([text]) => {
      const shown = shownLines(text)
      const lines = text === "" ? [] : text.replace(/\n$/, "").split("\n")
      assert.strictEqual(shown.length, lines.length)
      assert.notInclude(shown.join("\n"), CANARY)
    },
    { arbitrary: { runs: 2000 } }
  )

  it.prop(
    "are on neither side of a difference",
    [torrcs, torrcs],
    ([before, after]) => {
      const lines = lineDifferences(before, after)
      assert.notInclude(lines.join("\n"), CANARY)
      for (const line of lines) assert.match(line, /^[+-] /)
      assert.deepStrictEqual(lineDifferences(before, before), [])
    },
    { arbitrary: { runs: 1000 } }
  )

  it.prop(
    "are all that is withheld of a torrc that Patela takes",
    [Arbitrary.array(otherEntry, { maxLength: 8 })],
    ([lines]) => {
      const text = lines.map((line) => `${line}\n`).join("")
      if (Result.isFailure(parseTorrc(text))) return
      const shown = shownLines(text).join("\n")
      assert.notInclude(shown, "(sensitive, changed)")
      const expected = text.replace(/\n$/, "").replaceAll("# remark", "# (comment, not shown)")
      assert.strictEqual(shown.replaceAll(/ +$/gm, ""), expected.replaceAll(/ +$/gm, ""))
    }
  )

  it.effect("are not in what is said of a configuration that is refused for them", () =>
    Effect.gen(function*() {
      const host = hostOf(configOf({ count: 1 }))
      for (const option of SECRET_OPTIONS) {
        for (const layout of LAYOUTS.slice(0, 7)) {
          const config = configOf({ count: 1, torrc: () => `${option} ${layout}\n` })
          const view = yield* viewOf({ host, config })
          assert.isNotEmpty(view.failures.filter(({ address }) => address === "relay/toma/torrc"), option)
          assert.notInclude(planText(view, { style: plainStyle, full: true }), CANARY, `${option} ${layout}`)
          assert.notInclude(yield* planJson(view), CANARY)
        }
      }
    }))
})
