import { unescapeQuoted } from "./unescapeQuoted.ts"

/**
 * One entry of a torrc, before its name is looked up. Offsets are into the text. `next` is where reading goes on, which
 * after a problem is the next line.
 */
export type Entry =
  | { readonly kind: "end" }
  | { readonly kind: "entry"; readonly key: string; readonly value: string; readonly at: number; readonly next: number }
  | { readonly kind: "problem"; readonly message: string; readonly at: number; readonly next: number }

/**
 * Reads the entry that begins at or after an offset, exactly as tor does (tor source, lib/encoding/confline.c,
 * parse_config_line_from_str_verbose). The text has newlines as line ends, and no other control characters but tabs.
 */
export const readEntry = (text: string, from: number): Entry => {
  const at = skipBlanksAndComments(text, from)
  if (at >= text.length) return { kind: "end" }
  let cursor = at
  while (cursor < text.length && !isSpace(text[cursor]) && text[cursor] !== "#" && !continuesAt(text, cursor)) cursor++
  const key = text.slice(at, cursor)
  while (text[cursor] === " " || text[cursor] === "\t") cursor++
  return text[cursor] === "\"" ? readQuoted(text, key, at, cursor) : readPlain(text, key, at, cursor)
}

const readQuoted = (text: string, key: string, at: number, from: number): Entry => {
  const quoted = unescapeQuoted(text, from)
  if (quoted._tag === "problem") {
    return { kind: "problem", message: quoted.message, at: quoted.at, next: lineEndAfter(text, quoted.at) }
  }
  let cursor = quoted.next
  while (text[cursor] === " " || text[cursor] === "\t") cursor++
  if (cursor < text.length && text[cursor] !== "#" && text[cursor] !== "\n") {
    const message = "there is more text after the closing quote; put all of the value inside the quotes"
    return { kind: "problem", message, at: cursor, next: lineEndAfter(text, cursor) }
  }
  return { kind: "entry", key, value: quoted.value, at, next: cursor }
}

// Once a value was continued, a comment does not end it: tor leaves the comment out, newline and all, and reads on.
const readPlain = (text: string, key: string, at: number, from: number): Entry => {
  let cursor = from
  let continued = false
  while (cursor < text.length && text[cursor] !== "\n" && (continued || text[cursor] !== "#")) {
    if (continuesAt(text, cursor)) {
      continued = true
      cursor += 2
    } else cursor = text[cursor] === "#" ? lineEndAfter(text, cursor) + 1 : cursor + 1
  }
  cursor = Math.min(cursor, text.length)
  let end = cursor
  while (end > from && isSpace(text[end - 1])) end--
  const raw = text.slice(from, end)
  return { kind: "entry", key, value: continued ? joinContinued(raw) : raw, at, next: cursor }
}

const joinContinued = (raw: string): string => {
  let value = ""
  let cursor = 0
  while (cursor < raw.length) {
    if (raw[cursor] === "#") cursor = lineEndAfter(raw, cursor) + 1
    else if (continuesAt(raw, cursor)) cursor += 2
    else value += raw[cursor++]
  }
  return value
}

const skipBlanksAndComments = (text: string, from: number): number => {
  let cursor = from
  while (isSpace(text[cursor]) || text[cursor] === "#") {
    cursor = text[cursor] === "#" ? lineEndAfter(text, cursor) : cursor + 1
  }
  return cursor
}

const isSpace = (character: string | undefined): boolean =>
  character === " " || character === "\t" || character === "\n"

const continuesAt = (text: string, at: number): boolean => text[at] === "\\" && text[at + 1] === "\n"

const lineEndAfter = (text: string, at: number): number => {
  const end = text.indexOf("\n", at)
  return end === -1 ? text.length : end
}
