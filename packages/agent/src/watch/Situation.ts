import type { RolledBack } from "../converge/NetworkTrial.ts"
import { type Trouble } from "../converge/Trouble.ts"
import type { PassResult } from "../pass/Pass.ts"

/** How the node stands, put together from looks at some kinds and looks at all. A value. */
export interface Situation {
  readonly troubles: ReadonlyArray<Trouble>
  readonly rolledBack: RolledBack | undefined
}

export const unknownSituation: Situation = { troubles: [], rolledBack: undefined }

/** What a pass says of the kinds that it looked at, and of the others what was known before. Pure. */
export const situationAfter = (before: Situation, result: PassResult): Situation => {
  // With all kinds looked at nothing of before is left, also not of a kind that no longer counts.
  const others = result.full ? [] : before.troubles.filter(({ kind }) => !result.looked.has(kind))
  return {
    troubles: [...others, ...result.troubles],
    rolledBack: result.rolledBack ?? (result.full ? undefined : before.rolledBack)
  }
}
