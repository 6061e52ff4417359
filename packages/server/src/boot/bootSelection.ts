import type { BootSelection } from "@patela/domain/attestation/BootEvidence"
import type { PcrSelection } from "@patela/tpm/quote/PcrSelection"
import { Algorithm } from "@patela/tpm/structures/Algorithm"
import { Result } from "effect"
import type { Boot } from "./Boot.ts"

/**
 * The PCRs that stand for what a node booted, unless the operator selects others: firmware (0), its drivers (2), boot loader
 * or unified kernel image (4), Secure Boot (7), and what systemd-stub measures of an image (12 to 14). Left out are those
 * that are another on each machine or at each moment (1, 3, 5, 11) and those that anybody may reset (16, 23).
 */
export const defaultSelection: BootSelection = { bank: "sha256", pcrs: [0, 2, 4, 7, 12, 13, 14] }

/** The same for verification: exactly these PCRs of exactly this bank. */
export const pcrSelectionOf = ({ pcrs }: BootSelection): PcrSelection => [{ hash: Algorithm.sha256, pcrs }]

/** PCRs as people write them: numbers with commas between, ascending. */
export const selectionText = ({ pcrs }: BootSelection): string => pcrs.join(",")

/** Whether what was shown is of exactly these PCRs: of others it says nothing. */
export const isOfSelection = (boot: Boot, { pcrs }: BootSelection): boolean =>
  boot.map(({ pcr }) => pcr).join() === pcrs.join()

const LAST_PCR = 23

/** Anybody may set them back to zero while the machine runs (TCG PC Client Platform TPM Profile, table 5). */
const RESETTABLE: ReadonlySet<number> = new Set([16, 23])

/** PCRs from such a text in any order; or what is wrong with it. */
export const selectionFromText = (text: string): Result.Result<BootSelection, string> => {
  if (!/^\d{1,2}(?:,\d{1,2})*$/.test(text)) return Result.fail("PCRs are numbers with commas between, as in 0,2,4,7")
  const pcrs = text.split(",").map(Number).sort((left, right) => left - right)
  for (const [at, pcr] of pcrs.entries()) {
    if (pcr > LAST_PCR) return Result.fail(`There is no PCR ${pcr}: they are 0 to ${LAST_PCR}`)
    if (RESETTABLE.has(pcr)) return Result.fail(`PCR ${pcr} can be reset by anybody, so it says nothing of a boot`)
    if (pcrs[at - 1] === pcr) return Result.fail(`PCR ${pcr} is there twice`)
  }
  return Result.succeed({ bank: defaultSelection.bank, pcrs })
}
