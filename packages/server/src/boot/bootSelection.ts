import type { BootBank, BootSelection } from "@patela/domain/attestation/BootEvidence"
import { type PcrSelection, pcrSelectionText } from "@patela/tpm/quote/PcrSelection"
import { Algorithm } from "@patela/tpm/structures/Algorithm"
import { Result } from "effect"
import { bankOf, type Boot } from "./Boot.ts"

/**
 * The PCRs that stand for what a node booted, unless the operator selects others: firmware (0), its drivers (2), boot loader
 * or unified kernel image (4), Secure Boot (7), and what systemd-stub measures that an image is given (12 to 14). Left out are those
 * that are another on each machine or at each moment (1, 3, 5, 11) and those that anybody may reset (16, 23). SHA-256 is the
 * bank that every TPM 2.0 of a PC has.
 */
export const defaultSelection: BootSelection = { bank: "sha256", pcrs: [0, 2, 4, 7, 12, 13, 14] }

/** The same for verification: exactly these PCRs of exactly this bank. */
export const pcrSelectionOf = ({ bank, pcrs }: BootSelection): PcrSelection => [{ hash: Algorithm[bank], pcrs }]

/** A selection in the words of tpm2-tools, such as `sha384:0,2`. */
export const toolText = (selection: BootSelection): string => pcrSelectionText(pcrSelectionOf(selection))

/**
 * A selection as it is kept with what is allowed of it: numbers with commas between, ascending, and before them the bank
 * where that is not SHA-256, which was the only one when the first were kept.
 */
export const selectionText = (selection: BootSelection): string =>
  selection.bank === defaultSelection.bank ? selection.pcrs.join(",") : toolText(selection)

/** Whether what was shown is of exactly these PCRs of this bank: of others it says nothing. */
export const isOfSelection = (boot: Boot, { bank, pcrs }: BootSelection): boolean =>
  bankOf(boot) === bank && boot.map(({ pcr }) => pcr).join() === pcrs.join()

const LAST_PCR = 23

/** Anybody may set them back to zero while the machine runs (TCG PC Client Platform TPM Profile, table 5). */
const RESETTABLE: ReadonlySet<number> = new Set([16, 23])

/** PCRs of a bank, from their numbers in any order with commas between; or what is wrong with them. */
export const selectionFromText = (text: string, bank: BootBank): Result.Result<BootSelection, string> => {
  if (!/^\d{1,2}(?:,\d{1,2})*$/.test(text)) return Result.fail("PCRs are numbers with commas between, as in 0,2,4,7")
  const pcrs = text.split(",").map(Number).sort((left, right) => left - right)
  for (const [at, pcr] of pcrs.entries()) {
    if (pcr > LAST_PCR) return Result.fail(`There is no PCR ${pcr}: they are 0 to ${LAST_PCR}`)
    if (RESETTABLE.has(pcr)) return Result.fail(`PCR ${pcr} can be reset by anybody, so it says nothing of a boot`)
    if (pcrs[at - 1] === pcr) return Result.fail(`PCR ${pcr} is there twice`)
  }
  return Result.succeed({ bank, pcrs })
}
