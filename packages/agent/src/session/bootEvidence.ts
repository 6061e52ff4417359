import type { BootEvidence, BootSelection } from "@patela/domain/attestation/BootEvidence"
import { bootEvidenceToWire } from "@patela/tpm/evidence/bootEvidenceWire"
import { quoteNonce } from "@patela/tpm/evidence/quoteNonce"
import { Algorithm } from "@patela/tpm/structures/Algorithm"
import type { Tpm } from "@patela/tpm/transport/Tpm"
import type { TpmError } from "@patela/tpm/transport/TpmError"
import { Effect } from "effect"
import { EventLogFile } from "./EventLogFile.ts"

/** What the TPM says of these PCRs for the challenge of a session, with the event log that leads to them. */
export const bootEvidence = Effect.fn("bootEvidence")(
  function*(
    tpm: Pick<Tpm["Service"], "quote" | "pcrRead">,
    challenge: Uint8Array,
    { pcrs }: BootSelection
  ): Effect.fn.Return<BootEvidence, TpmError> {
    const eventLog = yield* (yield* EventLogFile).read
    const selection = { bank: Algorithm.sha256, pcrs } as const
    const { attested, signature } = yield* tpm.quote(quoteNonce(challenge, eventLog), selection)
    const pcrValues = new Map([[Algorithm.sha256, yield* tpm.pcrRead(selection)]])
    return bootEvidenceToWire({ attestation: attested, signature, pcrValues, eventLog })
  }
)
