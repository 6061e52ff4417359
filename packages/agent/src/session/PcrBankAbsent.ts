import { BootBank } from "@patela/domain/attestation/BootEvidence"
import { Schema } from "effect"

/** The TPM does not have all PCRs of the bank that the server asks for. */
export class PcrBankAbsent extends Schema.TaggedError<PcrBankAbsent>()("PcrBankAbsent", {
  bank: BootBank,
  pcrs: Schema.Array(Schema.Int),
  message: Schema.String
}) {}

/** With what to do. `why` is what the TPM said, where it said anything. */
export const pcrBankAbsent = (bank: BootBank, pcrs: ReadonlyArray<number>, why?: string): PcrBankAbsent =>
  new PcrBankAbsent({
    bank,
    pcrs,
    message:
      `this TPM gives no PCR ${pcrs.join(", ")} of its ${bank} bank${why === undefined ? "" : ` (${why})`}, which ` +
      `the server asks for: activate that bank in the firmware's settings, or select one that all nodes have: ` +
      "patela policy pcr select --bank BANK"
  })
