import { Schema } from "effect"
import * as Arbitrary from "effect/Arbitrary"
import { OPTION_TABLE } from "../../src/torrc/OptionTable.ts"
import type { LineMode, Torrc } from "../../src/torrc/Torrc.ts"
import { settingOf, unsafeCharacterIn } from "../../src/torrc/Torrc.ts"

const pick = <A extends string>(values: ReadonlyArray<A>): Arbitrary.Arbitrary<A> =>
  Arbitrary.schema(Schema.Literals(values))

const MODES: ReadonlyArray<LineMode> = ["set", "append", "clear"]

// Pieces that syntax turns on, beside arbitrary text.
const PIECES = [
  "a",
  " ",
  "  ",
  "\t",
  "#",
  "\\",
  "\"",
  "'",
  "\\n",
  "\\x41",
  "\\101",
  "é",
  "🧀",
  "%include",
  "/",
  "+",
  "\u00a0"
]

/** Values that a torrc can hold: no control characters, whole surrogate pairs. */
export const anyValue: Arbitrary.Arbitrary<string> = Arbitrary.flatMap(
  pick(["pieces", "text"]),
  (from) =>
    from === "pieces"
      ? Arbitrary.map(Arbitrary.array(pick(PIECES), { maxLength: 8 }), (pieces) => pieces.join(""))
      : Arbitrary.filter(Arbitrary.schema(Schema.String), (text) => unsafeCharacterIn(text) === undefined)
)

const ALL_NAMES = OPTION_TABLE.map(({ name }) => name)
const REPEATING = new Set(OPTION_TABLE.filter(({ repeats }) => repeats).map(({ name }) => name))
// Few names, so that layers meet.
const FEW_NAMES = ["ContactInfo", "NumCPUs", "ExitRelay", "ExitPolicy", "Log", "MyFamily", "EntryNodes"]

const torrcOf = (names: ReadonlyArray<string>, modes: ReadonlyArray<LineMode>): Arbitrary.Arbitrary<Torrc> =>
  Arbitrary.map(
    Arbitrary.array(Arbitrary.all({ option: pick(names), mode: pick(modes), value: anyValue }), { maxLength: 12 }),
    (lines) =>
      lines
        .map(({ option, mode, value }) => ({ option, mode, value: mode === "clear" ? "" : value }))
        .filter(({ option, mode, value }) => value !== "" || mode === "clear" || !REPEATING.has(option))
        .map(({ option, mode, value }, index) => ({ ...settingOf(option, value, index + 1), mode }))
  )

/** Any torrc that can be written, over the whole table. */
export const anyTorrc = torrcOf(ALL_NAMES, MODES)

/** Torrcs over a handful of options, so that lines and layers meet. */
export const anyLayer = torrcOf(FEW_NAMES, MODES)

/** The same without `+` and `/`. */
export const anySettingLayer = torrcOf(FEW_NAMES, ["set"])

const SYNTAX = [
  ...PIECES,
  "\n",
  "\r\n",
  "\\\n",
  "\0",
  "ContactInfo",
  "ExitPolicy",
  "Nick",
  "Foo",
  "# c",
  "\u0007",
  "\ud800"
]

/** Text that looks like a torrc, and is often none. */
export const anyText: Arbitrary.Arbitrary<string> = Arbitrary.flatMap(
  pick(["syntax", "text"]),
  (from) =>
    from === "syntax"
      ? Arbitrary.map(Arbitrary.array(pick(SYNTAX), { maxLength: 30 }), (pieces) => pieces.join(""))
      : Arbitrary.schema(Schema.String)
)
