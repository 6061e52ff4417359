import { Schema } from "effect"

/** What a line does to the layers below it: `Option value`, `+Option value` or `/Option`. */
export const LineMode = Schema.Literals(["set", "append", "clear"])
export type LineMode = typeof LineMode.Type

/** Where something stands in a text. Both count from 1, columns in UTF-16 units. */
const place = { line: Schema.Int, column: Schema.Int }

/**
 * One line of a torrc. `option` is the canonical name, `value` the text that tor reads (quotes and escapes undone; empty
 * where the mode is `clear`), `line` and `column` where its name began in the file.
 */
export const TorrcLine = Schema.Struct({ option: Schema.String, mode: LineMode, value: Schema.String, ...place })
export type TorrcLine = typeof TorrcLine.Type

/** A torrc: its lines in the order of the file, without comments. */
export const Torrc = Schema.Array(TorrcLine)
export type Torrc = typeof Torrc.Type

/** Something to tell a person about one line of a torrc. */
export const TorrcNote = Schema.Struct({ ...place, message: Schema.String })
export type TorrcNote = typeof TorrcNote.Type

/** The note as people read it. */
export const noteText = ({ line, column, message }: TorrcNote): string => `line ${line}, column ${column}: ${message}`

/** A line that sets an option to a value, for torrcs that are made and not read. */
export const settingOf = (option: string, value: string, line: number): TorrcLine => ({
  option,
  mode: "set",
  value,
  line,
  column: 1
})

/**
 * The first character of a value that no torrc line of Patela's may hold, or undefined: control characters other than
 * tab (a newline would begin another option, tor ends a value at NUL), and halves of surrogate pairs.
 */
export const unsafeCharacterIn = (value: string): string | undefined => {
  const control = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f]/.exec(value)?.[0]
  if (control !== undefined) return `control character U+${control.charCodeAt(0).toString(16).padStart(4, "0")}`
  return value.isWellFormed() ? undefined : "half of a surrogate pair"
}
