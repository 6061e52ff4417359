import { createHash } from "node:crypto"
import { ByteWriter } from "../structures/ByteWriter.ts"
import { hashAlgorithmOf } from "../structures/HashAlgorithm.ts"
import type { PcrSelection } from "./PcrSelection.ts"

/** Values of PCRs: by TPM_ALG_ID of the bank, and in it by the number of the PCR. */
export type PcrValues = ReadonlyMap<number, ReadonlyMap<number, Uint8Array>>

/** A value that a selection asks for is not there, or has not the length of its bank's hash. */
export interface MissingPcr {
  readonly hash: number
  readonly pcr: number
}

/**
 * The digest that a quote carries: the hash of the selected values one after another, banks in the order of the
 * selection and PCRs ascending, by the hash of the signing scheme (TPM 2.0 part 1, 17.7; part 3, 18.4).
 */
export const pcrDigestOf = (
  scheme: "sha1" | "sha256" | "sha384" | "sha512",
  selection: PcrSelection,
  values: PcrValues
): Uint8Array | MissingPcr => {
  const writer = new ByteWriter()
  for (const { hash, pcrs } of selection) {
    for (const pcr of pcrs) {
      const value = values.get(hash)?.get(pcr)
      if (value === undefined || value.length !== hashAlgorithmOf(hash)?.size) return { hash, pcr }
      writer.bytes(value)
    }
  }
  return new Uint8Array(createHash(scheme).update(writer.done()).digest())
}
