import type { Result } from "effect"
import { type ByteReader, readWhole } from "../structures/ByteReader.ts"
import { ByteWriter } from "../structures/ByteWriter.ts"
import { bankName } from "../structures/HashAlgorithm.ts"
import type { MalformedStructure } from "../structures/MalformedStructure.ts"

/** The PCRs that are selected of one bank: TPMS_PCR_SELECTION (TPM 2.0 part 2, 10.6.2). */
export interface PcrBankSelection {
  /** TPM_ALG_ID of the bank. */
  readonly hash: number
  /** Numbers from 0, ascending, each once. */
  readonly pcrs: ReadonlyArray<number>
}

/** The PCRs that are selected, banks in the order in which they are digested: TPML_PCR_SELECTION (part 2, 10.9.7). */
export type PcrSelection = ReadonlyArray<PcrBankSelection>

/** Banks of the most generous TPM (HASH_COUNT; a TPM of a PC has four). */
const MAX_BANKS = 16
/** A TPM of a PC has 24 PCRs, so three bytes of bits; four leave room (PCR_SELECT_MIN, PCR_SELECT_MAX). */
const SELECT_BYTES = 3
const MAX_SELECT_BYTES = 4

const readBank = (reader: ByteReader, field: string): PcrBankSelection => {
  const hash = reader.u16(`${field}.hash`)
  const size = reader.u8(`${field}.sizeofSelect`)
  if (size < SELECT_BYTES || size > MAX_SELECT_BYTES) {
    return reader.fail(`${field}.sizeofSelect`, `is ${size}, expected ${SELECT_BYTES} or ${MAX_SELECT_BYTES}`)
  }
  const bits = reader.bytes(`${field}.pcrSelect`, size)
  const pcrs = Array.from({ length: size * 8 }, (_, pcr) => pcr)
    .filter((pcr) => ((bits[pcr >> 3] ?? 0) & (1 << (pcr & 7))) !== 0)
  return { hash, pcrs }
}

/** Reads a TPML_PCR_SELECTION within another structure. */
export const readPcrSelection = (reader: ByteReader, field: string): PcrSelection => {
  const count = reader.u32(`${field}.count`)
  if (count > MAX_BANKS) return reader.fail(`${field}.count`, `is ${count}, at most ${MAX_BANKS} banks are allowed`)
  return Array.from({ length: count }, (_, bank) => readBank(reader, `${field}.${bank}`))
}

/** Reads a TPML_PCR_SELECTION that fills `bytes` exactly. */
export const decodePcrSelection = (bytes: Uint8Array): Result.Result<PcrSelection, MalformedStructure> =>
  readWhole(bytes, "TPML_PCR_SELECTION", (reader) => readPcrSelection(reader, "banks"))

/** The bytes of a TPML_PCR_SELECTION, with as few bytes of bits a bank as hold its PCRs, at least three. */
export const encodePcrSelection = (selection: PcrSelection): Uint8Array => {
  const writer = new ByteWriter().u32(selection.length)
  for (const { hash, pcrs } of selection) {
    const bits = new Uint8Array(pcrs.some((pcr) => pcr >= SELECT_BYTES * 8) ? MAX_SELECT_BYTES : SELECT_BYTES)
    for (const pcr of pcrs) {
      if (pcr >= bits.length * 8) throw new RangeError(`there is no PCR ${pcr}`)
      bits[pcr >> 3] = (bits[pcr >> 3] ?? 0) | (1 << (pcr & 7))
    }
    writer.u16(hash).u8(bits.length).bytes(bits)
  }
  return writer.done()
}

/** A selection in the words of tpm2-tools: `sha256:0,1,7+sha384:0`. Two selections are the same exactly when these are. */
export const pcrSelectionText = (selection: PcrSelection): string =>
  selection.map(({ hash, pcrs }) => `${bankName(hash)}:${pcrs.join(",")}`).join("+") || "none"
