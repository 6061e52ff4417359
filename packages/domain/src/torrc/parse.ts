import { Result } from "effect"
import { meaningOf } from "./meaningOf.ts"
import { optionNamed } from "./OptionTable.ts"
import { readEntry } from "./readEntry.ts"
import type { Torrc, TorrcLine, TorrcNote } from "./Torrc.ts"
import { unsafeCharacterIn } from "./Torrc.ts"
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

const problemsOfText = (text: string): ReadonlyArray<TorrcNote> => {
  if (text.length > LONGEST_TORRC) {
    return [{ line: 1, column: 1, message: `the text is longer than ${LONGEST_TORRC} characters` }]
  }
  const problems: Array<TorrcNote> = []
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
  const problems: Array<TorrcNote> = []
  const report = (at: number, message: string) => problems.push({ ...positionOf(starts, at), message })
  for (let entry = readEntry(text, 0); entry.kind !== "end"; entry = readEntry(text, entry.next)) {
    if (problems.length >= MOST_PROBLEMS) break
    if (entry.kind === "problem") {
      report(entry.at, entry.message)
      continue
    }
    const place = positionOf(starts, entry.at)
    const meaning = meaningOf(entry.key, entry.value)
    if (meaning.kind === "problem") report(entry.at, meaning.message)
    else {
      warnings.push(...meaning.warnings.map((message) => ({ ...place, message })))
      if (meaning.kind === "line") lines.push({ ...meaning.content, ...place })
    }
  }
  const [first, ...others] = problems
  if (first !== undefined) return Result.fail(TorrcSyntaxError.of(first, others))
  return Result.succeed({ lines, warnings: [...warnings, ...repeatedScalars(lines)].sort((a, b) => a.line - b.line) })
}

const repeatedScalars = (lines: Torrc): ReadonlyArray<TorrcNote> => {
  const last = new Map<string, number>()
  const notes: Array<TorrcNote> = []
  for (const { option, line, column } of lines) {
    const before = last.get(option)
    if (before !== undefined && optionNamed(option)?.repeats === false) {
      notes.push({ line, column, message: `${option} was set on line ${before} already; this later line wins` })
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
