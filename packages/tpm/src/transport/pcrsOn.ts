import { Effect } from "effect"
import { pcrRead, type PcrSelection } from "../command/pcr.ts"
import type { Line } from "./Exchange.ts"

/** The values of PCRs. A TPM gives as many at once as it likes; one that gives no more has no such bank. */
export const pcrsOn = Effect.fnUntraced(function*(line: Line, { bank, pcrs }: PcrSelection) {
  const found = new Map<number, Uint8Array>()
  for (;;) {
    const rest = pcrs.filter((pcr) => !found.has(pcr))
    if (rest.length === 0) return found
    const more = yield* line.send(pcrRead({ bank, pcrs: rest }))
    for (const [pcr, digest] of more) found.set(pcr, digest)
    if (rest.every((pcr) => !more.has(pcr))) return found
  }
})
