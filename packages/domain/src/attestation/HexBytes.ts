import { Schema } from "effect"

/**
 * Between 1 and `most` bytes as hexadecimal digits of either case, two for each. The length is looked at before the
 * digits, so a text that is far too long costs nothing.
 */
export const hexBytes = (most: number) =>
  Schema.String.pipe(
    Schema.check(
      Schema.makeFilter<string>((text) =>
        text.length === 0 || text.length > most * 2
          ? `expected 1 to ${most} bytes, two hexadecimal digits for each`
          : text.length % 2 !== 0 || /[^0-9a-fA-F]/.test(text)
          ? "expected hexadecimal digits, two for each byte"
          : undefined
      )
    )
  )
