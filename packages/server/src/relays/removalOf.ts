import type { NodeOverrides } from "../nodes/Nodes.ts"
import type { RelayRow } from "./RelayRow.ts"

/** What removing a relay comes to. */
export interface Removal {
  readonly relay: RelayRow
  /** How many relays its node keeps. */
  readonly remaining: number
  readonly before: NodeOverrides
  readonly after: NodeOverrides
}

/**
 * The node's own number of relays becomes what it keeps, where it was more: by its hardware, or an earlier number, it
 * would be given another relay the next time that it reports. A number that is lower still is the operator's and stays.
 */
export const removalOf = (relay: RelayRow, before: NodeOverrides, relays: number): Removal => {
  const remaining = relays - 1
  const relays_override = Math.min(before.relays_override ?? remaining, remaining)
  return { relay, remaining, before, after: { ...before, relays_override } }
}
