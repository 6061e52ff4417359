import { Result, Schema } from "effect"

/**
 * Bytes that should be a TPM structure are not one. `field` is the path of the first wrong field, such as
 * `TPMT_PUBLIC.authPolicy`; `offset` counts bytes from the start of the structure.
 */
export class MalformedStructure extends Schema.TaggedError<MalformedStructure>()("MalformedStructure", {
  field: Schema.String,
  offset: Schema.Int,
  message: Schema.String
}) {}

/** What a reader came to that throws MalformedStructure, as a value. */
export const orMalformed = <A>(read: () => A): Result.Result<A, MalformedStructure> => {
  try {
    return Result.succeed(read())
  } catch (error) {
    if (error instanceof MalformedStructure) return Result.fail(error)
    throw error
  }
}
