import { isWithheld, linesOf, shownLines } from "./shownLines.ts"

/** Beyond this many comparisons, a few milliseconds, the whole middle counts as replaced. */
const MOST_COMPARISONS = 1_000_000

/** The most lines that one difference shows; what is left out is counted. */
const MOST_LINES = 200

/**
 * A torrc's lines that are gone (`-`) or new (`+`), in order, the fewest there can be. No secret is among them; lines
 * that are not shown, and of which nothing could be told apart, count as one.
 */
export const lineDifferences = (before: string, after: string): ReadonlyArray<string> => {
  const shown = { "-": shownLines(before), "+": shownLines(after) }
  const lines = edits(linesOf(before), linesOf(after))
    .map(({ index, sign }) => `${sign} ${shown[sign][index] ?? ""}`)
    .filter((line, at, all) => !(isWithheld(line) && line === all[at - 1]))
  if (lines.length <= MOST_LINES) return lines
  return [...lines.slice(0, MOST_LINES), `... and ${lines.length - MOST_LINES} more lines`]
}

/** A line that goes, by its place in the text before, or comes, by its place in the text after. */
interface Edit {
  readonly sign: "+" | "-"
  readonly index: number
}

const edits = (before: ReadonlyArray<string>, after: ReadonlyArray<string>): ReadonlyArray<Edit> => {
  const shorter = Math.min(before.length, after.length)
  let start = 0
  while (start < shorter && before[start] === after[start]) start++
  let end = 0
  while (end < shorter - start && before.at(-1 - end) === after.at(-1 - end)) end++
  const old = before.slice(start, before.length - end)
  const now = after.slice(start, after.length - end)
  if (old.length * now.length > MOST_COMPARISONS) {
    return [...old.map((_, i) => removed(start + i)), ...now.map((_, j) => added(start + j))]
  }

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
      found.push(removed(start + i++))
    } else found.push(added(start + j++))
  }
  return found
}

const removed = (index: number): Edit => ({ sign: "-", index })
const added = (index: number): Edit => ({ sign: "+", index })

/** One line of a torrc, for itself, as a person may see it. */
export const shownLine = (line: string): string => shownLines(line)[0] ?? ""
