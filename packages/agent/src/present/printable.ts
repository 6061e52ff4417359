/** Control, format and unassigned characters, and the line separators that terminals and editors break lines at. */
const TRICKY = /[^\P{C} ]|[\u2028\u2029]/gu

/** Text of the host or of a configuration without characters that play tricks on a terminal: they are escaped. */
export const printable = (text: string): string =>
  text.replaceAll(TRICKY, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`)

/** The text of a JSON document with such characters as JSON's own escapes: it means the same, and is safe to print. */
export const printableJson = (json: string): string =>
  json.replaceAll(TRICKY, (character) =>
    character === "\n" ? character : Array.from(
      { length: character.length },
      (_, index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, "0")}`
    ).join(""))
