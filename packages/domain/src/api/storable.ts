/**
 * Text as both databases keep it, so that it reads as it was written: NUL, which PostgreSQL has in no text (its manual, 8.3),
 * and halves of surrogate pairs, which UTF-8 cannot say (RFC 3629, section 3), become U+FFFD.
 */
export const storable = (text: string): string => text.toWellFormed().replaceAll("\u0000", "\ufffd")
