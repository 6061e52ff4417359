import { Result } from "effect"
import { parseTorrc } from "./parse.ts"
import type { Torrc, TorrcLine, TorrcNote } from "./Torrc.ts"
import type { TorrcSyntaxError } from "./TorrcSyntaxError.ts"
import type { LayerRules } from "./ValueRules.ts"
import { verdictOn } from "./verdictOn.ts"

/** A layer after the judgement of each line. Where there are refusals, nothing of the layer should be stored. */
export interface CheckedLayer {
  readonly accepted: Torrc
  readonly warnings: ReadonlyArray<TorrcNote>
  readonly refusals: ReadonlyArray<TorrcNote>
}

/** Judges every line of a torrc layer (global, node or relay) that came from outside. Total. */
export const checkLayer = (torrc: Torrc, rules: LayerRules): CheckedLayer => {
  const accepted: Array<TorrcLine> = []
  const warnings: Array<TorrcNote> = []
  const refusals: Array<TorrcNote> = []
  for (const torrcLine of torrc) {
    const { option, line, column } = torrcLine
    const verdict = verdictOn(torrcLine, rules)
    if (verdict._tag === "Allowed") accepted.push(torrcLine)
    else if (verdict._tag === "Managed") {
      warnings.push({ line, column, message: `${option} is left out: Patela manages it; ${verdict.reason}` })
    } else refusals.push({ line, column, message: `${option} is refused: ${verdict.reason}` })
  }
  return { accepted, warnings, refusals }
}

/** Reads and judges the text of a layer; the warnings of both come together, by line. */
export const checkLayerText = (text: string, rules: LayerRules): Result.Result<CheckedLayer, TorrcSyntaxError> =>
  Result.map(parseTorrc(text), ({ lines, warnings }) => {
    const checked = checkLayer(lines, rules)
    return { ...checked, warnings: [...warnings, ...checked.warnings].sort((a, b) => a.line - b.line) }
  })
