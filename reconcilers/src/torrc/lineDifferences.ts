import { OWNED_HEADER } from "@patela/domain/torrc/ManagedLines"
import { findOption } from "@patela/domain/torrc/OptionTable"
import { REFUSED_OPTIONS } from "@patela/domain/torrc/refused"

/** Beyond this many comparisons, a few milliseconds, the whole middle counts as replaced. */
const MOST_COMPARISONS = 1_000_000

/** The most lines that one difference shows; what is left out is counted. */
const MOST_LINES = 200

/** A torrc's lines that are gone (`-`) or new (`+`), in order, the fewest there can be. No secret is among them. */
export const lineDifferences = (before: string, after: string): ReadonlyArray<string> => {
  const lines = edits(linesOf(before), linesOf(after)).map(({ line, sign }) => `${sign} ${shownLine(line)}`)
  if (lines.length <= MOST_LINES) return lines
  return [...lines.slice(0, MOST_LINES), `... and ${lines.length - MOST_LINES} more lines`]
}

const linesOf = (text: string): ReadonlyArray<string> =>
  text === "" ? [] : (text.endsWith("\n") ? text.slice(0, -1) : text).split("\n")

interface Edit {
  readonly sign: "+" | "-"
  readonly line: string
}

const edits = (before: ReadonlyArray<string>, after: ReadonlyArray<string>): ReadonlyArray<Edit> => {
  const shorter = Math.min(before.length, after.length)
  let start = 0
  while (start < shorter && before[start] === after[start]) start++
  let end = 0
  while (end < shorter - start && before.at(-1 - end) === after.at(-1 - end)) end++
  const old = before.slice(start, before.length - end)
  const now = after.slice(start, after.length - end)
  if (old.length * now.length > MOST_COMPARISONS) return [...signed("-", old), ...signed("+", now)]

  // common[i][j]: length of the longest common subsequence of old from i and now from j.
  const common = Array.from({ length: old.length + 1 }, () => new Uint32Array(now.length + 1))
  const at = (i: number, j: number): number => common[i]?.[j] ?? 0
  for (let i = old.length - 1; i >= 0; i--) {
    const row = common[i] ?? new Uint32Array()
    for (let j = now.length - 1; j >= 0; j--) {
      row[j] = old[i] === now[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1))
    }
  }
  const found: Array<Edit> = []
  let [i, j] = [0, 0]
  while (i < old.length || j < now.length) {
    if (i < old.length && j < now.length && old[i] === now[j]) {
      i++
      j++
    } else if (i < old.length && (j === now.length || at(i + 1, j) >= at(i, j + 1))) {
      found.push(...signed("-", old.slice(i, ++i)))
    } else found.push(...signed("+", now.slice(j, ++j)))
  }
  return found
}

const signed = (sign: Edit["sign"], lines: ReadonlyArray<string>): ReadonlyArray<Edit> =>
  lines.map((line) => ({ sign, line }))

/**
 * A line as a person may see it. Values of options that Patela would refuse (passwords, proxies' secrets) and of names
 * that tor does not know are withheld; so are comments, for people park secrets in them. Control characters, which
 * could play tricks on a terminal, are escaped.
 */
export const shownLine = (line: string): string => {
  if (line.trim() === "" || line === OWNED_HEADER) return line.trim()
  const written = /^\s*[+/]?([A-Za-z0-9_]+)(?:\s|$)/.exec(line)?.[1]
  const found = written === undefined ? undefined : findOption(written)
  if (found === undefined || written === undefined) return "(sensitive, changed)"
  if (found.option.kind === "Obsolete" || REFUSED_OPTIONS.has(found.option.name)) {
    return `${found.option.name} (sensitive, changed)`
  }
  return line.replaceAll(/[^\P{C} ]/gu, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`)
}
