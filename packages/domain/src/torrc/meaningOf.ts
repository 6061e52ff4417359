import type { FoundOption } from "./OptionTable.ts"
import { findOption, suggestOption } from "./OptionTable.ts"
import type { LineMode, TorrcLine } from "./Torrc.ts"
import { unsafeCharacterIn } from "./Torrc.ts"

/** What an entry says: a line; nothing that tor would use, so that it is left out; or what is wrong with it. */
export type Meaning =
  | { readonly kind: "problem"; readonly message: string }
  | { readonly kind: "skipped"; readonly warnings: ReadonlyArray<string> }
  | {
    readonly kind: "line"
    readonly content: Pick<TorrcLine, "option" | "mode" | "value">
    readonly warnings: ReadonlyArray<string>
  }

/** What an entry of a torrc says, by its name as it was written (`Option`, `+Option`, `/Option`) and its value. */
export const meaningOf = (key: string, value: string): Meaning => {
  const mode: LineMode = key.startsWith("+") ? "append" : key.startsWith("/") ? "clear" : "set"
  const name = mode === "set" ? key : key.slice(1)
  if (name === "") return { kind: "problem", message: "the line has no option name" }
  if (name.toLowerCase() === "%include") {
    return { kind: "problem", message: "%include is refused: it would read files of the configuration's choosing" }
  }
  const unsafe = unsafeCharacterIn(value)
  if (unsafe !== undefined) return { kind: "problem", message: `the value of ${shown(name)} holds a ${unsafe}` }
  const found = findOption(name)
  if (found === undefined) return { kind: "problem", message: unknownOption(name) }
  const { option } = found
  if (option.kind === "Virtual") {
    return { kind: "problem", message: `${option.name} is tor's own and cannot be set` }
  }
  const warnings = spellingWarnings(name, found)
  if (option.kind === "Obsolete") {
    return { kind: "skipped", warnings: [...warnings, `tor no longer has ${option.name}; the line was left out`] }
  }
  if (option.repeats && mode !== "clear" && value === "") {
    const message = `${option.name} has no value; the line was left out. To clear the option write /${option.name}`
    return { kind: "skipped", warnings: [...warnings, message] }
  }
  const cleared = mode === "clear" && value !== "" ? [`/${option.name} takes no value; what follows it is ignored`] : []
  const content = { option: option.name, mode, value: mode === "clear" ? "" : value }
  return { kind: "line", content, warnings: [...warnings, ...cleared] }
}

const spellingWarnings = (name: string, found: FoundOption): ReadonlyArray<string> =>
  found.written === "exact"
    ? []
    : [`${shown(name)} is ${found.written === "alias" ? "an old name" : "an abbreviation"} of ${found.option.name}`]

/** That there is no such option, and which was meant if one is near. */
export const unknownOption = (name: string): string => {
  const near = suggestOption(name)
  return `tor has no option ${shown(name)}${near === undefined ? "" : `; did you mean ${near}?`}`
}

const LONGEST_SHOWN = 60

const shown = (name: string): string =>
  JSON.stringify(name.length > LONGEST_SHOWN ? `${name.slice(0, LONGEST_SHOWN)}...` : name)
