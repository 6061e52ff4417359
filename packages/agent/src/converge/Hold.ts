import type { ChangeView } from "@patela/domain/reconciler/Change"
import type { ResourceAddress, Scope } from "@patela/domain/reconciler/Resource"

/** A change that could be made and is not, for now. It blocks what needs it, as a failure would. */
export interface Held {
  readonly kind: string
  readonly address: ResourceAddress
  readonly scope: Scope
  readonly why: string
}

/** Why a change of a plan is not made now, for a person; undefined admits it. Pure. */
export type Hold = (change: ChangeView) => string | undefined

/** Holds nothing. */
export const admitAll: Hold = () => undefined

/** The first reason of several. */
export const holdAny = (...holds: ReadonlyArray<Hold>): Hold => (change) => {
  for (const hold of holds) {
    const why = hold(change)
    if (why !== undefined) return why
  }
  return undefined
}
