import { Result } from "effect"
import { MalformedStructure } from "./MalformedStructure.ts"

/** Lower-case hexadecimal digits, two for each byte. */
export const toHex = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex")

/** The bytes of a text of hexadecimal digits of either case. `field` names the text in the error. */
export const fromHex = (text: string, field: string): Result.Result<Uint8Array, MalformedStructure> => {
  if (text.length % 2 !== 0) {
    return Result.fail(
      new MalformedStructure({
        field,
        offset: Math.floor(text.length / 2),
        message: `${field}: expected two hexadecimal digits for each byte, got an odd number of digits`
      })
    )
  }
  const wrong = text.search(/[^0-9a-fA-F]/)
  if (wrong !== -1) {
    return Result.fail(
      new MalformedStructure({
        field,
        offset: Math.floor(wrong / 2),
        message: `${field}: the character at position ${wrong} is not a hexadecimal digit`
      })
    )
  }
  return Result.succeed(new Uint8Array(Buffer.from(text, "hex")))
}
