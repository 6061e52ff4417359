import type { BootEvidence, BootSelection } from "@patela/domain/attestation/BootEvidence"
import { bootEvidenceToWire } from "@patela/tpm/evidence/bootEvidenceWire"
import { quoteNonce } from "@patela/tpm/evidence/quoteNonce"
import { Algorithm } from "@patela/tpm/structures/Algorithm"
import type { Tpm } from "@patela/tpm/transport/Tpm"
import type { TpmError } from "@patela/tpm/transport/TpmError"
import { Effect } from "effect"
import { EventLogFile } from "./EventLogFile.ts"
import { type PcrBankAbsent, pcrBankAbsent } from "./PcrBankAbsent.ts"

/** What the TPM says of these PCRs for the challenge of a session, with the event log that leads to them. */
export const bootEvidence = Effect.fn("bootEvidence")(
  function*(
    tpm: Pick<Tpm["Service"], "quote" | "pcrRead">,
    challenge: Uint8Array,
    { bank, pcrs }: BootSelection
  ): Effect.fn.Return<BootEvidence, TpmError | PcrBankAbsent> {
    const eventLog = yield* (yield* EventLogFile).read
    const hash = Algorithm[bank]
    const selection = { bank: hash, pcrs }
    // A TPM quotes a bank that it does not have without complaint, as no PCR at all.
    const values = yield* tpm.pcrRead(selection).pipe(
      Effect.catchTag("TpmRefused", ({ message }) => Effect.fail(pcrBankAbsent(bank, pcrs, message)))
    )
    const missing = pcrs.filter((pcr) => !values.has(pcr))
    if (missing.length > 0) return yield* pcrBankAbsent(bank, missing)
    const { attested, signature } = yield* tpm.quote(quoteNonce(challenge, eventLog), selection)
    return bootEvidenceToWire({ attestation: attested, signature, pcrValues: new Map([[hash, values]]), eventLog })
  }
)
