import { Result } from "effect"
import { MalformedStructure } from "./MalformedStructure.ts"

/** Lower-case hexadecimal digits, two for each byte. */
export const toHex = (bytes: Uint8Array): string => {
  let text = ""
  for (const byte of bytes) text += byte.toString(16).padStart(2, "0")
  return text
}

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
  return Result.succeed(
    Uint8Array.from({ length: text.length / 2 }, (_, at) => Number.parseInt(text.slice(at * 2, at * 2 + 2), 16))
  )
}
