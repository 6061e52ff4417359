import { Schema } from "effect"

/**
 * Bytes that should be a TPM structure are not one. `field` is the path of the first wrong field, such as
 * `TPMT_PUBLIC.authPolicy`; `offset` counts bytes from the start of the structure.
 */
export class MalformedStructure extends Schema.TaggedError<MalformedStructure>()("MalformedStructure", {
  field: Schema.String,
  offset: Schema.Int,
  message: Schema.String
}) {}
