import { optionNamed, rankOf, type TorOption } from "./OptionTable.ts"
import type { Torrc, TorrcLine } from "./Torrc.ts"
import { settingOf } from "./Torrc.ts"

/** A line of a merge, as it stood in its layer: which one, by its place among them, from 0. */
export interface TracedLine extends TorrcLine {
  readonly layer: number
}

/** What is known of one list of options while layers are read; `replaceable` where its lines are of a layer below. */
interface Held {
  readonly lines: ReadonlyArray<TracedLine>
  readonly replaceable: boolean
}

/**
 * Lays torrcs over each other, the lowest first (global, node, relay), as tor lays a torrc over its defaults file:
 *
 * - an option that repeats: the lines of a higher layer replace those below, `+Option` adds to them, and `/Option`
 *   clears all so far; a line without a value is skipped. Options that tor keeps in one list (those of onion services, and
 *   a port with its `__` twin) do so together, and keep the order in which they were written;
 * - any other option: the last line wins, and `+Option` is the same as `Option`. `/Option` and an empty value do not
 *   bring tor's default back but set the option to nothing: zero, false or unset.
 *
 * The result has no `+` or `/` and is sorted by option: it says the same for the same meaning. Its lines say where they
 * are from.
 */
export const traceMerge = (layers: ReadonlyArray<Torrc>): ReadonlyArray<TracedLine> => {
  const held = new Map<string, Held>()
  for (const [layer, lines] of layers.entries()) {
    for (const line of lines) {
      const option = optionNamed(line.option)
      const list = option?.list ?? line.option
      held.set(list, step(held.get(list), option, { ...line, layer }))
    }
    for (const [list, { lines }] of held) held.set(list, { lines, replaceable: true })
  }
  return [...held].sort(([left], [right]) => rankOf(left) - rankOf(right) || (left < right ? -1 : 1))
    .flatMap(([, { lines }]) => lines)
}

/** The same as a torrc of its own, numbered from line 1: parsing its rendering gives it back. */
export const mergeTorrcs = (layers: ReadonlyArray<Torrc>): Torrc =>
  traceMerge(layers).map(({ option, value }, index) => settingOf(option, value, index + 1))

const NOTHING: Held = { lines: [], replaceable: false }

const step = (before: Held = NOTHING, option: TorOption | undefined, line: TracedLine): Held => {
  const set = { ...line, mode: "set" as const }
  if (option?.repeats !== true) return { lines: [set], replaceable: false }
  if (line.mode === "clear") return NOTHING
  if (line.value === "") return before
  const below = line.mode === "set" && before.replaceable ? [] : before.lines
  return { lines: [...below, set], replaceable: false }
}
