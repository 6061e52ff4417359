import { Result } from "effect"
import { decodeEventLog, type EventLog } from "../eventlog/EventLog.ts"
import type { EventLogRefused } from "../eventlog/EventLogRefused.ts"
import { firstDifference } from "../eventlog/firstDifference.ts"
import { replayEventLog } from "../eventlog/replayEventLog.ts"
import type { AttestationKey } from "../identity/AttestationKey.ts"
import type { PcrSelection } from "../quote/PcrSelection.ts"
import type { PcrValues } from "../quote/PcrValues.ts"
import type { QuoteRefused } from "../quote/QuoteRefused.ts"
import { type Quote, verifyQuote } from "../quote/verifyQuote.ts"
import { bankName } from "../structures/HashAlgorithm.ts"
import type { MalformedStructure } from "../structures/MalformedStructure.ts"
import { EventLogDisagrees } from "./EventLogDisagrees.ts"
import { quoteNonce } from "./quoteNonce.ts"

/** What a node sends to show what it booted. */
export interface BootEvidence {
  /** TPMS_ATTEST of a quote whose qualifying data is `quoteNonce`. */
  readonly attestation: Uint8Array
  /** TPMT_SIGNATURE over it. */
  readonly signature: Uint8Array
  /** The values of the selected PCRs; the quote has only their digest. */
  readonly pcrValues: PcrValues
  /** The crypto-agile log, undefined on a machine whose firmware keeps none. */
  readonly eventLog: Uint8Array | undefined
}

/** What a node has shown. */
export interface VerifiedBoot {
  readonly quote: Quote
  /** Values of the selected PCRs, and of no others. */
  readonly pcrValues: PcrValues
  readonly eventLog: EventLog | undefined
}

const only = (selection: PcrSelection, values: PcrValues): PcrValues =>
  new Map(selection.map(({ hash, pcrs }) => {
    const bank = values.get(hash)
    return [hash, new Map([...bank ?? []].filter(([pcr]) => pcrs.includes(pcr)))]
  }))

/** Every bank of the selection, replayed. */
const replayed = (log: EventLog, selection: PcrSelection): Result.Result<PcrValues, EventLogRefused> =>
  Result.gen(function*() {
    const values = new Map<number, ReadonlyMap<number, Uint8Array>>()
    for (const { hash } of selection) {
      for (const [bank, pcrs] of yield* replayEventLog(log, hash)) values.set(bank, pcrs)
    }
    return values
  })

/**
 * Whether the TPM of this attestation key vouches, for this challenge, for exactly these PCR values, and whether the event
 * log leads to them. A log that was changed after the quote is refused as a wrong nonce; one that the node's software made
 * up before it cannot lead to the values unless it has every digest that was extended.
 */
export const verifyBootEvidence = (input: {
  readonly attestationKey: AttestationKey
  /** The bytes of the server's challenge. */
  readonly challenge: Uint8Array
  readonly selection: PcrSelection
  readonly evidence: BootEvidence
}): Result.Result<VerifiedBoot, QuoteRefused | MalformedStructure | EventLogRefused | EventLogDisagrees> =>
  Result.gen(function*() {
    const { selection, evidence } = input
    const quote = yield* verifyQuote({
      attestation: evidence.attestation,
      signature: evidence.signature,
      attestationKey: input.attestationKey.public,
      nonce: quoteNonce(input.challenge, evidence.eventLog),
      selection,
      expected: { pcrValues: evidence.pcrValues }
    })
    const pcrValues = only(selection, evidence.pcrValues)
    if (evidence.eventLog === undefined) return { quote, pcrValues, eventLog: undefined }
    const eventLog = yield* decodeEventLog(evidence.eventLog)
    const difference = firstDifference(selection, yield* replayed(eventLog, selection), pcrValues)
    if (difference === undefined) return { quote, pcrValues, eventLog }
    const { hash, pcr, expected, found } = difference
    return yield* Result.fail(
      new EventLogDisagrees({
        hash,
        pcr,
        replayed: expected,
        quoted: found,
        message: `The event log leads to ${expected} in PCR ${pcr} of ${bankName(hash)}, the TPM quotes ${found}. ` +
          "Something was measured that the log does not tell, or the log is of another boot."
      })
    )
  })
