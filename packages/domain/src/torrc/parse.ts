import { Result } from "effect"
import { findOption, optionNamed, suggestOption } from "./OptionTable.ts"
import type { FoundOption } from "./OptionTable.ts"
import { readEntry } from "./readEntry.ts"
import type { LineMode, Torrc, TorrcLine, TorrcNote } from "./Torrc.ts"
import { unsafeCharacterIn } from "./Torrc.ts"
import type { SyntaxProblem } from "./TorrcSyntaxError.ts"
import { TorrcSyntaxError } from "./TorrcSyntaxError.ts"

/** The longest text that is read, in UTF-16 units: far above any torrc, and read in milliseconds. */
export const LONGEST_TORRC = 262_144

const MOST_PROBLEMS = 20

/** A torrc as it was read. `warnings` are what tor too would warn of: abbreviations, obsolete names and the like. */
export interface ParsedTorrc {
  readonly lines: Torrc
  readonly warnings: ReadonlyArray<TorrcNote>
}

/**
 * Reads the text of a torrc with tor's own syntax. Stricter than tor in these: control characters, `%include`, and
 * values that are not Unicode are errors. Lines that tor would skip with a warning are left out with a warning.
 */
export const parseTorrc = (text: string): Result.Result<ParsedTorrc, TorrcSyntaxError> => {
  const [first, ...others] = problemsOfText(text)
  if (first !== undefined) return Result.fail(TorrcSyntaxError.of(first, others))
  return parseClean(text.replaceAll("\r\n", "\n"))
}

const problemsOfText = (text: string): ReadonlyArray<SyntaxProblem> => {
  if (text.length > LONGEST_TORRC) {
    return [{ line: 1, column: 1, message: `the text is longer than ${LONGEST_TORRC} characters` }]
  }
  const problems: Array<SyntaxProblem> = []
  if (text.startsWith("\ufeff")) {
    problems.push({
      line: 1,
      column: 1,
      message: "the text begins with a byte-order mark; save it as UTF-8 without one"
    })
  }
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const unsafe = unsafeCharacterIn(line)
    if (unsafe === undefined || problems.length >= MOST_PROBLEMS) continue
    const column = line.search(/[\u0000-\u0008\u000a-\u001f\u007f-\u009f]|\p{Surrogate}/u) + 1
    problems.push({ line: index + 1, column, message: `${unsafe} cannot stand in a torrc` })
  }
  return problems
}

const parseClean = (text: string): Result.Result<ParsedTorrc, TorrcSyntaxError> => {
  const starts = lineStarts(text)
  const lines: Array<TorrcLine> = []
  const warnings: Array<TorrcNote> = []
  const problems: Array<SyntaxProblem> = []
  const report = (at: number, message: string) => problems.push({ ...positionOf(starts, at), message })
  for (let entry = readEntry(text, 0); entry.kind !== "end"; entry = readEntry(text, entry.next)) {
    if (problems.length >= MOST_PROBLEMS) break
    if (entry.kind === "problem") {
      report(entry.at, entry.message)
      continue
    }
    const { line } = positionOf(starts, entry.at)
    const meaning = meaningOf(entry.key, entry.value)
    if (meaning.kind === "problem") report(entry.at, meaning.message)
    else {
      warnings.push(...meaning.warnings.map((message) => ({ line, message })))
      if (meaning.kind === "line") lines.push({ ...meaning.content, line })
    }
  }
  const [first, ...others] = problems
  if (first !== undefined) return Result.fail(TorrcSyntaxError.of(first, others))
  return Result.succeed({ lines, warnings: [...warnings, ...repeatedScalars(lines)].sort((a, b) => a.line - b.line) })
}

type Meaning =
  | { readonly kind: "problem"; readonly message: string }
  | { readonly kind: "skipped"; readonly warnings: ReadonlyArray<string> }
  | {
    readonly kind: "line"
    readonly content: Omit<TorrcLine, "line">
    readonly warnings: ReadonlyArray<string>
  }

const meaningOf = (key: string, value: string): Meaning => {
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

const unknownOption = (name: string): string => {
  const near = suggestOption(name)
  return `tor has no option ${shown(name)}${near === undefined ? "" : `; did you mean ${near}?`}`
}

const LONGEST_SHOWN = 60

const shown = (name: string): string =>
  JSON.stringify(name.length > LONGEST_SHOWN ? `${name.slice(0, LONGEST_SHOWN)}...` : name)

const repeatedScalars = (lines: Torrc): ReadonlyArray<TorrcNote> => {
  const last = new Map<string, number>()
  const notes: Array<TorrcNote> = []
  for (const { option, line } of lines) {
    const before = last.get(option)
    if (before !== undefined && optionNamed(option)?.repeats === false) {
      notes.push({ line, message: `${option} was set on line ${before} already; this later line wins` })
    }
    last.set(option, line)
  }
  return notes
}

const lineStarts = (text: string): ReadonlyArray<number> => {
  const starts = [0]
  for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) starts.push(at + 1)
  return starts
}

const positionOf = (starts: ReadonlyArray<number>, at: number): { readonly line: number; readonly column: number } => {
  let [low, high] = [0, starts.length - 1]
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if ((starts[middle] ?? 0) <= at) low = middle
    else high = middle - 1
  }
  return { line: low + 1, column: at - (starts[low] ?? 0) + 1 }
}
