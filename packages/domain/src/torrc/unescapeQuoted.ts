/** What a quoted value says and where it ends (behind the quote), or what is wrong with it and where. */
export type Unescaped =
  | { readonly _tag: "value"; readonly value: string; readonly next: number }
  | { readonly _tag: "problem"; readonly message: string; readonly at: number }

const SIMPLE: Readonly<Record<string, number>> = { n: 10, r: 13, t: 9, "\"": 34, "'": 39, "\\": 92 }

/**
 * Reads the quoted value whose opening quote is at an offset (tor source, lib/encoding/cstring.c, unescape_string).
 * Escapes are \n \r \t \" \' \\, \x and two hex digits, and one to three octal digits. Escapes make bytes, and the
 * bytes together must be UTF-8.
 */
export const unescapeQuoted = (text: string, from: number): Unescaped => {
  const bytes: Array<number> = []
  let cursor = from + 1
  for (;;) {
    const end = plainRunEnd(text, cursor)
    for (const byte of new TextEncoder().encode(text.slice(cursor, end))) bytes.push(byte)
    cursor = end
    const character = text[cursor]
    if (character === undefined || character === "\n") {
      return { _tag: "problem", message: "the quoted value has no closing quote on its line", at: from }
    }
    if (character === "\"") return decoded(bytes, from, cursor + 1)
    const escape = escapeAt(text, cursor)
    if (escape === undefined) {
      const message = "tor knows no such escape in quotes; a backslash itself is written \\\\"
      return { _tag: "problem", message, at: cursor }
    }
    bytes.push(escape.byte)
    cursor += escape.length
  }
}

const plainRunEnd = (text: string, from: number): number => {
  let cursor = from
  while (cursor < text.length && !/["\\\n]/.test(text.charAt(cursor))) cursor++
  return cursor
}

const escapeAt = (text: string, at: number): { readonly byte: number; readonly length: number } | undefined => {
  const simple = SIMPLE[text.charAt(at + 1)]
  if (simple !== undefined) return { byte: simple, length: 2 }
  const hex = /^\\[xX]([0-9a-fA-F]{2})/.exec(text.slice(at, at + 4))?.[1]
  if (hex !== undefined) return { byte: Number.parseInt(hex, 16), length: 4 }
  const octal = /^\\([0-7]{1,3})/.exec(text.slice(at, at + 4))?.[1]
  if (octal === undefined || Number.parseInt(octal, 8) > 255) return undefined
  return { byte: Number.parseInt(octal, 8), length: 1 + octal.length }
}

const decoded = (bytes: ReadonlyArray<number>, at: number, next: number): Unescaped => {
  try {
    const value = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Uint8Array.from(bytes))
    return { _tag: "value", value, next }
  } catch {
    return { _tag: "problem", message: "the escapes in the quoted value do not make UTF-8 text", at }
  }
}
