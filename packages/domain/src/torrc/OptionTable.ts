import { OBSOLETE_OPTIONS, OPTION_ALIASES, OPTIONS_BY_KIND } from "./OptionList.ts"

/** The types that tor gives to options (control-spec, `GETINFO config/names`), and `Obsolete` for ignored names. */
export type OptionKind = keyof typeof OPTIONS_BY_KIND | "Obsolete"

/**
 * An option of tor: its name as tor spells it, its type, and whether each further line adds to the ones before it. `list`
 * names the list in which tor keeps its lines: options of onion services share one, where the order of lines counts; so do
 * a port and its `__` twin; any other has its own.
 */
export interface TorOption {
  readonly name: string
  readonly kind: OptionKind
  readonly repeats: boolean
  readonly list: string
}

/**
 * What a name in a torrc stands for. `written` says how it was written: `exact` (upper and lower case aside), as an
 * `alias` that tor keeps for old torrcs, or as an `abbreviation`: the beginning of a name.
 */
export interface FoundOption {
  readonly option: TorOption
  readonly written: "exact" | "alias" | "abbreviation"
}

const namesIn = (list: string): ReadonlyArray<string> => list.split(/\s+/).filter((name) => name !== "")

// Router lists are joined over their lines, like line lists; comma lists are not: there the last line wins.
const REPEATING: ReadonlySet<OptionKind> = new Set(["LineList", "Dependent", "RouterList"])

const listOf = (kind: OptionKind, name: string): string => {
  if (kind !== "Dependent") return name
  return name.startsWith("HiddenService") ? "HiddenServiceDir" : name.replace(/^__/, "")
}

const optionOf = (kind: OptionKind) => (name: string): TorOption => ({
  name,
  kind,
  repeats: REPEATING.has(kind),
  list: listOf(kind, name)
})

const byName = (left: TorOption, right: TorOption): number => {
  const [a, b] = [left.name.toLowerCase(), right.name.toLowerCase()]
  return a < b ? -1 : a > b ? 1 : 0
}

const everyName: ReadonlyArray<TorOption> = [
  ...Object.entries(OPTIONS_BY_KIND).flatMap(([kind, list]) => namesIn(list).map(optionOf(kindOf(kind)))),
  ...namesIn(OBSOLETE_OPTIONS).map(optionOf("Obsolete"))
].sort(byName)

function kindOf(kind: string): OptionKind {
  const known = Object.keys(OPTIONS_BY_KIND).find((key): key is keyof typeof OPTIONS_BY_KIND => key === kind)
  return known ?? "Obsolete"
}

/** Every option that a torrc can hold, in tor's order: by name, upper and lower case aside. */
export const OPTION_TABLE: ReadonlyArray<TorOption> = everyName.filter(
  ({ kind }) => kind !== "Obsolete" && kind !== "Virtual"
)

const exact: ReadonlyMap<string, TorOption> = new Map(everyName.map((option) => [option.name.toLowerCase(), option]))

const aliases: ReadonlyMap<string, string> = new Map(
  Object.entries(OPTION_ALIASES).map(([alias, name]) => [alias.toLowerCase(), name.toLowerCase()])
)

/**
 * Finds an option as tor does: an alias first, then the whole name, then the first name, in the order of the table, that
 * begins with what was written. Obsolete and virtual names are found too, for tor's abbreviations land on them.
 */
export const findOption = (written: string): FoundOption | undefined => {
  const key = written.toLowerCase()
  if (key === "") return undefined
  const alias = aliases.get(key)
  const option = exact.get(alias ?? key)
  if (option !== undefined) return { option, written: alias === undefined ? "exact" : "alias" }
  const longer = firstFrom(key)
  return longer?.name.toLowerCase().startsWith(key) === true ? { option: longer, written: "abbreviation" } : undefined
}

/** The first name of the table that is not before a key. */
const firstFrom = (key: string): TorOption | undefined => {
  let [low, high] = [0, everyName.length]
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    if ((everyName[middle]?.name.toLowerCase() ?? "") < key) low = middle + 1
    else high = middle
  }
  return everyName[low]
}

/** The option of a canonical name, or undefined where a torrc cannot hold it. */
export const optionNamed = (name: string): TorOption | undefined => canonical.get(name)

const canonical: ReadonlyMap<string, TorOption> = new Map(OPTION_TABLE.map((option) => [option.name, option]))

/** Where an option stands in the table; names that are not in it come last. */
export const rankOf = (name: string): number => ranks.get(name) ?? OPTION_TABLE.length

const ranks: ReadonlyMap<string, number> = new Map(OPTION_TABLE.map(({ name }, index) => [name, index]))

/** The option whose name is nearest to an unknown one, if any is near enough to be what was meant. */
export const suggestOption = (written: string): string | undefined => {
  const key = written.toLowerCase()
  if (key.length < 3 || key.length > LONGEST_NAME + MOST_EDITS) return undefined
  const most = Math.min(MOST_EDITS, Math.floor(key.length / 3))
  let best: { readonly name: string; readonly edits: number } | undefined
  for (const { name } of OPTION_TABLE) {
    if (Math.abs(name.length - key.length) > most) continue
    const edits = editDistance(key, name.toLowerCase())
    if (edits <= most && (best === undefined || edits < best.edits)) best = { name, edits }
  }
  return best?.name
}

const MOST_EDITS = 3
const LONGEST_NAME = Math.max(...OPTION_TABLE.map(({ name }) => name.length))

/** How many letters must be put in, taken out or replaced to make one word of the other (Levenshtein). */
const editDistance = (from: string, to: string): number => {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (const [i, letter] of [...from].entries()) {
    const next = [i + 1]
    for (let j = 0; j < to.length; j++) {
      next.push(Math.min((row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1, (row[j] ?? 0) + (letter === to[j] ? 0 : 1)))
    }
    row = next
  }
  return row[to.length] ?? 0
}
