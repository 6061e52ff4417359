import { Schema } from "effect"

/** Bytes as lower- or upper-case hex, bounded: the largest TPM structure sent here is far below a kilobyte. */
export const HexText = Schema.String.pipe(
  Schema.check(
    Schema.isPattern(/^(?:[0-9a-fA-F]{2})+$/, { message: "expected hexadecimal digits, two for each byte" }),
    Schema.isMaxLength(4096)
  )
)
