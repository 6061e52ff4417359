import type { Kind } from "@patela/domain/reconciler/Kind"
import type { Dirty } from "./Wanted.ts"

/** What is looked at now, and what is asked for again after that. */
export interface Turn {
  readonly now: Dirty
  readonly later: ReadonlySet<string>
}

const NONE: ReadonlySet<string> = new Set()

/**
 * Divides what is wanted together: a look that takes its time (`unhurried`) would hold up the repair of what others found.
 * It waits for one look of theirs, and never for two, so that others that are wanted all the time do not keep it away.
 */
export const makeTurns = <Read, Write>(kinds: ReadonlyArray<Kind<Read, Write>>): (dirty: Dirty) => Turn => {
  const unhurried = new Set(kinds.filter((kind) => kind.unhurried).map(({ kind }) => kind))
  let waiting = NONE
  return (dirty) => {
    const alone = dirty.full || [...dirty.kinds].every((kind) => unhurried.has(kind))
    const later = alone ? NONE : new Set([...dirty.kinds].filter((kind) => unhurried.has(kind) && !waiting.has(kind)))
    waiting = later
    return { now: { ...dirty, kinds: new Set([...dirty.kinds].filter((kind) => !later.has(kind))) }, later }
  }
}
