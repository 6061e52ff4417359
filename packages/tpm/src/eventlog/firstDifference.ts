import type { PcrSelection } from "../quote/PcrSelection.ts"
import type { PcrValues } from "../quote/PcrValues.ts"
import { toHex } from "../structures/Hex.ts"

/** A PCR whose value is not what was expected. Values in lower-case hex, empty for one that is not there. */
export interface PcrDifference {
  /** TPM_ALG_ID of the bank. */
  readonly hash: number
  readonly pcr: number
  readonly expected: string
  readonly found: string
}

/** The first PCR of a selection whose values differ, or undefined when all are the same. One that is missing differs. */
export const firstDifference = (
  selection: PcrSelection,
  expected: PcrValues,
  found: PcrValues
): PcrDifference | undefined => {
  for (const { hash, pcrs } of selection) {
    for (const pcr of pcrs) {
      const left = toHex(expected.get(hash)?.get(pcr) ?? new Uint8Array())
      const right = toHex(found.get(hash)?.get(pcr) ?? new Uint8Array())
      if (left === "" || left !== right) return { hash, pcr, expected: left, found: right }
    }
  }
  return undefined
}
