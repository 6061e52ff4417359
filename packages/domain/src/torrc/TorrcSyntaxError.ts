import { Schema } from "effect"

/** One thing that is wrong with a torrc. Lines and columns count from 1, columns in UTF-16 units. */
export const SyntaxProblem = Schema.Struct({ line: Schema.Int, column: Schema.Int, message: Schema.String })
export type SyntaxProblem = typeof SyntaxProblem.Type

/**
 * The text is no torrc that tor would read, or one that Patela takes. `line` and `column` are of the first problem;
 * `problems` has all of them, at most twenty, and `message` names each with its line.
 */
export class TorrcSyntaxError extends Schema.TaggedError<TorrcSyntaxError>()("TorrcSyntaxError", {
  line: Schema.Int,
  column: Schema.Int,
  message: Schema.String,
  problems: Schema.Array(SyntaxProblem)
}) {
  static of(first: SyntaxProblem, others: ReadonlyArray<SyntaxProblem>): TorrcSyntaxError {
    const problems = [first, ...others]
    const said = problems.map(({ line, column, message }) => `line ${line}, column ${column}: ${message}`)
    return new TorrcSyntaxError({
      line: first.line,
      column: first.column,
      problems,
      message: `the torrc cannot be read; nothing of it was used. Correct it and try again:\n${said.join("\n")}`
    })
  }
}
