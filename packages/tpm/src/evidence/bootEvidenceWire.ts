import type { BootEvidence as Wire, PcrBank, PcrValue } from "@patela/domain/attestation/BootEvidence"
import { Result } from "effect"
import type { PcrValues } from "../quote/PcrValues.ts"
import { Algorithm } from "../structures/Algorithm.ts"
import { fromHex, toHex } from "../structures/Hex.ts"
import { MalformedStructure } from "../structures/MalformedStructure.ts"
import type { BootEvidence } from "./verifyBootEvidence.ts"

const bankNames: ReadonlyArray<PcrBank> = ["sha1", "sha256", "sha384", "sha512"]

const nameOfBank = (hash: number): PcrBank | undefined => bankNames.find((name) => Algorithm[name] === hash)

/** From the wire to bytes. A PCR that is there twice is refused, for only one of the two could be meant. */
export const bootEvidenceFromWire = (wire: Wire): Result.Result<BootEvidence, MalformedStructure> =>
  Result.gen(function*() {
    const pcrValues = new Map<number, Map<number, Uint8Array>>()
    for (const [at, { bank, pcr, value }] of wire.pcr_values.entries()) {
      const field = `pcr_values.${at}`
      const values = pcrValues.get(Algorithm[bank]) ?? new Map<number, Uint8Array>()
      if (values.has(pcr)) {
        const message = `${field}: PCR ${pcr} of ${bank} is there twice`
        return yield* Result.fail(new MalformedStructure({ field, offset: 0, message }))
      }
      pcrValues.set(Algorithm[bank], values.set(pcr, yield* fromHex(value, `${field}.value`)))
    }
    return {
      attestation: yield* fromHex(wire.quote, "quote"),
      signature: yield* fromHex(wire.signature, "signature"),
      pcrValues,
      eventLog: wire.event_log === null ? undefined : yield* fromHex(wire.event_log, "event_log")
    }
  })

/** From bytes to the wire, in lower-case digits. Banks that the wire has no name for are left out. */
export const bootEvidenceToWire = (evidence: BootEvidence): Wire => ({
  quote: toHex(evidence.attestation),
  signature: toHex(evidence.signature),
  pcr_values: wireValues(evidence.pcrValues),
  event_log: evidence.eventLog === undefined ? null : toHex(evidence.eventLog)
})

const wireValues = (values: PcrValues): ReadonlyArray<PcrValue> =>
  [...values].flatMap(([hash, pcrs]) => {
    const bank = nameOfBank(hash)
    return bank === undefined ? [] : [...pcrs].map(([pcr, value]) => ({ bank, pcr, value: toHex(value) }))
  })
