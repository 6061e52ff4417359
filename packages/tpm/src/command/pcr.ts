import { Algorithm, type NameAlgorithm } from "../structures/Algorithm.ts"
import type { ByteReader } from "../structures/ByteReader.ts"
import { ByteWriter } from "../structures/ByteWriter.ts"
import type { Command } from "./Command.ts"
import { CommandCode } from "./CommandCode.ts"
import type { Entity } from "./Entity.ts"

/** PCRs of one bank, by their numbers, 0 to 23. */
export interface PcrSelection {
  readonly bank: NameAlgorithm
  readonly pcrs: ReadonlyArray<number>
}

/** The same as tpm2-tools take it, such as sha256:0,7. */
export const pcrText = ({ bank, pcrs }: PcrSelection): string =>
  `${bank === Algorithm.sha256 ? "sha256" : "sha384"}:${pcrs.join(",")}`

/** Bytes of the bit map: the PC Client profile has 24 PCRs (TPM 2.0 part 2, 10.6.2). */
const SELECT_BYTES = 3
const MAX_DIGEST = 64
/** Above any TPMS_ATTEST, in bytes. */
const MAX_ATTEST = 1024

/** TPML_PCR_SELECTION of one bank (TPM 2.0 part 2, 10.9.7). A number over 23 is a defect and throws a RangeError. */
export const encodePcrSelection = ({ bank, pcrs }: PcrSelection): Uint8Array => {
  const select = new Uint8Array(SELECT_BYTES)
  for (const pcr of pcrs) {
    if (!Number.isInteger(pcr) || pcr < 0 || pcr >= SELECT_BYTES * 8) throw new RangeError(`${pcr} is not a PCR`)
    select[pcr >> 3] = (select[pcr >> 3] ?? 0) | (1 << (pcr & 7))
  }
  return new ByteWriter().u32(1).u16(bank).u8(SELECT_BYTES).bytes(select).done()
}

const readSelected = (reader: ByteReader): ReadonlyArray<number> => {
  const found: Array<number> = []
  const banks = reader.u32("pcrSelection.count")
  if (banks > 16) return reader.fail("pcrSelection.count", `is ${banks}, more than there are banks`)
  for (let bank = 0; bank < banks; bank += 1) {
    reader.u16("pcrSelection.hash")
    const select = reader.bytes("pcrSelection.select", reader.u8("pcrSelection.sizeofSelect"))
    for (const [at, byte] of select.entries()) {
      for (let bit = 0; bit < 8; bit += 1) if ((byte & (1 << bit)) !== 0) found.push(at * 8 + bit)
    }
  }
  return found
}

/**
 * TPM2_PCR_Read (TPM 2.0 part 3, 22.4). A TPM gives as many as it likes, mostly eight: the answer says which, in
 * rising order. None at all means that the bank is not allocated.
 */
export const pcrRead = (selection: PcrSelection): Command<ReadonlyMap<number, Uint8Array>> => ({
  name: "TPM2_PCR_Read",
  code: CommandCode.pcrRead,
  handles: [],
  authorised: 0,
  parameters: encodePcrSelection(selection),
  answersHandle: false,
  read: (reader) => {
    reader.u32("pcrUpdateCounter")
    const selected = readSelected(reader)
    if (reader.u32("pcrValues.count") !== selected.length) {
      return reader.fail("pcrValues.count", "is not the number of PCRs that were selected")
    }
    return new Map(selected.map((pcr) => [pcr, reader.sized("pcrValues.digest", MAX_DIGEST)]))
  }
})

/** What TPM2_Quote answers, as the TPM wrote it: nobody but who verifies it reads it. */
export interface Quoted {
  /** TPMS_ATTEST (TPM 2.0 part 2, 10.12.12), the bytes that are signed. */
  readonly attested: Uint8Array
  /** TPMT_SIGNATURE (part 2, 11.3.4). */
  readonly signature: Uint8Array
}

/** TPM2_Quote (TPM 2.0 part 3, 18.4) by the scheme of the key. `nonce` is qualifyingData, at most 32 bytes. */
export const quote = (key: Entity, nonce: Uint8Array, selection: PcrSelection): Command<Quoted> => ({
  name: "TPM2_Quote",
  code: CommandCode.quote,
  handles: [key],
  authorised: 1,
  parameters: new ByteWriter().sized(nonce).u16(Algorithm.null).bytes(encodePcrSelection(selection)).done(),
  answersHandle: false,
  read: (reader) => {
    const attested = reader.sized("quoted", MAX_ATTEST)
    return { attested, signature: reader.bytes("signature", reader.remaining) }
  }
})
