import { Schema, SchemaTransformation } from "effect"
import { storable } from "./storable.ts"

/** Text from outside of so many UTF-16 code units at most, which the server stores: what it cannot keep is replaced. */
export const storedText = (most: number) =>
  Schema.String.pipe(
    Schema.check(Schema.isMaxLength(most)),
    Schema.decodeTo(
      Schema.String,
      SchemaTransformation.transform({
        decode: storable,
        encode: (text) => text
      })
    )
  )
