import { Schema } from "effect"
import { noteText, TorrcNote } from "./Torrc.ts"

/**
 * The text is no torrc that tor would read, or one that Patela takes. `line` and `column` are of the first problem;
 * `problems` has all of them, at most twenty, and `message` names each with its line.
 */
export class TorrcSyntaxError extends Schema.TaggedError<TorrcSyntaxError>()("TorrcSyntaxError", {
  line: Schema.Int,
  column: Schema.Int,
  message: Schema.String,
  problems: Schema.Array(TorrcNote)
}) {
  static of(first: TorrcNote, others: ReadonlyArray<TorrcNote>): TorrcSyntaxError {
    const problems = [first, ...others]
    return new TorrcSyntaxError({
      line: first.line,
      column: first.column,
      problems,
      message: `the torrc cannot be read; nothing of it was used. Correct it and try again:\n${
        problems.map(noteText).join("\n")
      }`
    })
  }
}
