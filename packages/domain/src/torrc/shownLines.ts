import { OWNED_HEADER } from "./ManagedLines.ts"
import { findOption } from "./OptionTable.ts"
import { readEntry } from "./readEntry.ts"
import { listsOf } from "./verdictOn.ts"

const SECRET = "(sensitive, changed)"
const COMMENT = "# (comment, not shown)"

/** The lines of a text, without the newline that ends the last. */
export const linesOf = (text: string): ReadonlyArray<string> =>
  text === "" ? [] : (text.endsWith("\n") ? text.slice(0, -1) : text).split("\n")

/** Whether a line stands for text that is not shown. */
export const isWithheld = (shown: string): boolean => shown.endsWith(SECRET) || shown.endsWith(COMMENT)

/**
 * Each line of a torrc as a person may see it. The text is read as tor reads it, so that every line of a value that goes
 * over several is known for what it is. Values of options that Patela would refuse (passwords, proxies' secrets) and of
 * names that it does not know are withheld; so are comments, for people park secrets in them. Control characters, which
 * could play tricks on a terminal, are escaped.
 *
 * What cannot be told apart is withheld too: all that follows a syntax error, and the whole of a text with carriage
 * returns, for whether `\` before one continues a value depends on who reads it.
 */
export const shownLines = (text: string): ReadonlyArray<string> => {
  const lines = linesOf(text)
  const shown = lines.map((line) => line.trim() === "" || line === OWNED_HEADER ? line.trim() : COMMENT)
  if (text.includes("\r")) return shown.fill(SECRET)
  const starts = startsOf(lines)
  let line = 0
  const lineAt = (at: number): number => {
    while (line + 1 < starts.length && (starts[line + 1] ?? 0) <= at) line++
    return line
  }
  for (let entry = readEntry(text, 0); entry.kind !== "end"; entry = readEntry(text, entry.next)) {
    const first = lineAt(entry.at)
    if (entry.kind === "problem") return shown.fill(SECRET, first)
    const last = lineAt(entry.next)
    const withheld = withheldOf(entry.key)
    for (let index = first; index <= last; index++) {
      const text = lines[index] ?? ""
      // A value on one line may be quoted, with a # in it; one that goes over several lines is never quoted.
      const comment = first === last ? entry.next - (starts[index] ?? 0) : text.indexOf("#")
      shown[index] = withheld ?? withoutComment(text, comment)
    }
  }
  return shown
}

const startsOf = (lines: ReadonlyArray<string>): ReadonlyArray<number> => {
  let at = 0
  return lines.map((line) => {
    const start = at
    at += line.length + 1
    return start
  })
}

/** What stands for a line of an option whose values are secrets or may be; undefined for one that can be shown. */
const withheldOf = (key: string): string | undefined => {
  const option = findOption(key.replace(/^[+/]/, ""))?.option.name
  if (option === undefined) return SECRET
  const lists = listsOf(option)
  return lists.length === 0 || lists.includes("refused") ? `${option} ${SECRET}` : undefined
}

const withoutComment = (line: string, at: number): string =>
  at < 0 || at >= line.length ? escaped(line) : `${escaped(line.slice(0, at).trimEnd())} ${COMMENT}`

const escaped = (text: string): string =>
  text.replaceAll(
    /[^\P{C} ]|[\u2028\u2029]/gu,
    (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`
  )
