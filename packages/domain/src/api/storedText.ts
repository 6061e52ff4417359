import { Schema } from "effect"

/** Text of so many UTF-16 code units at most that a database keeps as it is: PostgreSQL's takes no NUL. */
export const storedText = (most: number) =>
  Schema.String.pipe(
    Schema.check(
      Schema.isMaxLength(most),
      Schema.isPattern(/^[^\u0000]*$/, { message: "expected text without the character NUL" })
    )
  )
