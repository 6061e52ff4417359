import type { RelayName } from "@patela/domain/relay/RelayName"
import type { RolledBack } from "./NetworkTrial.ts"
import { type Trouble, troubleOf } from "./Trouble.ts"

/**
 * How a node stands. `partly`: some relays are as configured, and something is not. `rolled back`: a network change cut
 * the node off from its server and was taken back.
 */
export type Verdict = "converged" | "failed" | "partly" | "rolled back"

/** Exit codes of `reconcile`. */
export const exitCodeOf: Readonly<Record<Verdict, number>> = {
  converged: 0,
  failed: 1,
  partly: 3,
  "rolled back": 4
}

/** The node's verdict from what is wrong with it. Pure. */
export const verdictOf = (
  troubles: ReadonlyArray<Trouble>,
  relays: ReadonlyArray<RelayName>,
  rolledBack: RolledBack | undefined
): Verdict => {
  if (rolledBack !== undefined) return "rolled back"
  if (troubles.length === 0) return "converged"
  return relays.some((name) => troubleOf(troubles, name) === undefined) ? "partly" : "failed"
}
