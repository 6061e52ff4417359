import { Schema, SchemaTransformation } from "effect"

/**
 * Text from outside of so many UTF-16 code units at most, which the server stores. What a database cannot keep as it was
 * becomes U+FFFD: NUL, which PostgreSQL has in no text (its manual, 8.3), and halves of surrogate pairs, which UTF-8 cannot
 * say (RFC 3629, section 3).
 */
export const storedText = (most: number) =>
  Schema.String.pipe(
    Schema.check(Schema.isMaxLength(most)),
    Schema.decodeTo(
      Schema.String,
      SchemaTransformation.transform({
        decode: (text: string) => text.toWellFormed().replaceAll("\u0000", "\ufffd"),
        encode: (text) => text
      })
    )
  )
