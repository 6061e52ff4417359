import { optionNamed, rankOf } from "./OptionTable.ts"
import type { Torrc, TorrcLine } from "./Torrc.ts"
import { settingOf } from "./Torrc.ts"

/** What is known of one option while layers are read; `replaceable` where its lines are of a layer below. */
interface Held {
  readonly values: ReadonlyArray<string>
  readonly replaceable: boolean
}

/**
 * Lays torrcs over each other, the lowest first (global, node, relay), as tor lays a torrc over its defaults file:
 *
 * - an option that repeats: the lines of a higher layer replace those below, `+Option` adds to them, and `/Option`
 *   clears all so far; a line without a value is skipped;
 * - any other option: the last line wins, and `+Option` is the same as `Option`. `/Option` and an empty value do not
 *   bring tor's default back but set the option to nothing: zero, false or unset.
 *
 * The result has one layer, with no `+` or `/`, sorted by option and numbered from line 1: it is the same for the same
 * meaning, and parsing its rendering gives it back.
 */
export const mergeTorrcs = (layers: ReadonlyArray<Torrc>): Torrc => {
  const held = new Map<string, Held>()
  for (const layer of layers) {
    for (const line of layer) held.set(line.option, step(held.get(line.option), line))
    for (const [option, { values }] of held) held.set(option, { values, replaceable: true })
  }
  return [...held]
    .sort(([left], [right]) => rankOf(left) - rankOf(right) || (left < right ? -1 : 1))
    .flatMap(([option, { values }]) => values.map((value) => ({ option, value })))
    .map(({ option, value }, index) => settingOf(option, value, index + 1))
}

const step = (before: Held = { values: [], replaceable: false }, line: TorrcLine): Held => {
  if (optionNamed(line.option)?.repeats !== true) return { values: [line.value], replaceable: false }
  if (line.mode === "clear") return { values: [], replaceable: false }
  if (line.value === "") return before
  const below = line.mode === "set" && before.replaceable ? [] : before.values
  return { values: [...below, line.value], replaceable: false }
}
