import { Result } from "effect"
import { isWritten } from "./nvAttributes.ts"
import type { NvPublic, TpmLimits } from "./Tpm.ts"
import { TpmAnswerUnreadable } from "./TpmError.ts"

const unreadable = (command: string, message: string): TpmAnswerUnreadable =>
  new TpmAnswerUnreadable({ command, message: `${command} printed what cannot be understood: ${message}` })

/** The list of handles that `tpm2_getcap handles-*` prints, one `- 0x...` a line. */
export const readHandles = (
  command: string,
  text: string
): Result.Result<ReadonlyArray<number>, TpmAnswerUnreadable> => {
  const lines = text.split("\n").filter((line) => line.trim() !== "")
  const handles = lines.flatMap((line) => {
    const digits = /^- (0x[0-9a-fA-F]{1,8})$/.exec(line.trim())?.[1]
    return digits === undefined ? [] : [Number(digits)]
  })
  return handles.length === lines.length
    ? Result.succeed(handles)
    : Result.fail(unreadable(command, "a line is not a handle"))
}

/** The number after a key, on the key's own line or on the next one that says `raw:` or `value:`. */
const numberAfter = (text: string, key: string): number | undefined => {
  const found = new RegExp(
    `(?:^|\\n)\\s*${key}:\\s*(?:\\n\\s*(?:raw|friendly:[^\\n]*\\n\\s*value):\\s*)?(0x[0-9a-fA-F]{1,8}|\\d{1,10})\\b`
  )
    .exec(text)?.[1]
  return found === undefined ? undefined : Number(found)
}

/** The answer of `tpm2_nvreadpublic`: a paragraph for every index, which begins with its number. */
export const readNvPublics = (
  command: string,
  text: string
): Result.Result<ReadonlyArray<NvPublic>, TpmAnswerUnreadable> => {
  const found: Array<NvPublic> = []
  for (const paragraph of text.split(/^(?=0x[0-9a-fA-F])/m)) {
    if (paragraph.trim() === "") continue
    const index = /^(0x[0-9a-fA-F]{1,8}):/.exec(paragraph)?.[1]
    const size = numberAfter(paragraph, "size")
    const attributes = numberAfter(paragraph, "attributes")
    if (index === undefined) return Result.fail(unreadable(command, "a paragraph is not that of an NV index"))
    if (size === undefined || attributes === undefined) {
      return Result.fail(unreadable(command, `no ${size === undefined ? "size" : "attributes"} of ${index}`))
    }
    found.push({ index: Number(index), size, attributes, written: isWritten(attributes) })
  }
  return Result.succeed(found)
}

/** The answer of `tpm2_pcrread`: a line with the number and the digest for every PCR, under the name of its bank. */
export const readPcrs = (
  command: string,
  text: string
): Result.Result<ReadonlyMap<number, Uint8Array>, TpmAnswerUnreadable> => {
  const found = new Map<number, Uint8Array>()
  for (const line of text.split("\n")) {
    if (/^\s*(?:[a-z0-9]+:)?\s*$/.test(line)) continue
    const [, pcr, digest] = /^\s+(\d{1,2})\s*: 0x((?:[0-9a-fA-F]{2}){1,64})$/.exec(line) ?? []
    if (pcr === undefined || digest === undefined) return Result.fail(unreadable(command, "a line is not a PCR"))
    found.set(Number(pcr), new Uint8Array(Buffer.from(digest, "hex")))
  }
  return Result.succeed(found)
}

/** The answers of `tpm2_getcap properties-fixed` and `tpm2_getcap properties-variable`. */
export const readLimits = (
  command: string,
  fixed: string,
  variable: string
): Result.Result<TpmLimits, TpmAnswerUnreadable> => {
  const nvBufferMax = numberAfter(fixed, "TPM2_PT_NV_BUFFER_MAX")
  const nvIndexMax = numberAfter(fixed, "TPM2_PT_NV_INDEX_MAX")
  const manufacturer = numberAfter(fixed, "TPM2_PT_MANUFACTURER")
  const lockout = numberAfter(variable, "inLockout")
  if (nvBufferMax === undefined || nvBufferMax === 0) {
    return Result.fail(unreadable(command, "no TPM2_PT_NV_BUFFER_MAX"))
  }
  if (nvIndexMax === undefined) return Result.fail(unreadable(command, "no TPM2_PT_NV_INDEX_MAX"))
  if (manufacturer === undefined) return Result.fail(unreadable(command, "no TPM2_PT_MANUFACTURER"))
  if (lockout === undefined) return Result.fail(unreadable(command, "no inLockout"))
  return Result.succeed({ nvBufferMax, nvIndexMax, manufacturer: asText(manufacturer), inLockout: lockout !== 0 })
}

/** Four characters in 32 bits, such as IBM and a NUL (TPM 2.0 part 2, 6.13, TPM_PT_MANUFACTURER). */
export const asText = (value: number): string =>
  [24, 16, 8, 0]
    .map((shift) => (value >>> shift) & 0xff)
    .filter((byte) => byte > 0x20 && byte < 0x7f)
    .map((byte) => String.fromCharCode(byte))
    .join("")
