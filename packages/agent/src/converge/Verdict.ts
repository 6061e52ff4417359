import { relayScope, type Scope } from "@patela/domain/reconciler/Resource"
import type { RelayName } from "@patela/domain/relay/RelayName"
import type { Convergence } from "./Converge.ts"

/** How a pass ended for the node as a whole. `partly`: some relays are as configured, and something is not. */
export type Verdict = "converged" | "failed" | "partly"

/** Exit codes of `reconcile`: 0 converged, 1 failed, 3 partly. 4 is kept for a network change that was taken back. */
export const exitCodeOf: Readonly<Record<Verdict, number>> = { converged: 0, failed: 1, partly: 3 }

/** Why a relay is not as configured, or undefined where it is. */
export const troubleOf = (result: Convergence, name: RelayName): string | undefined => {
  const scope = relayScope(name)
  const failure = result.failures.find((each) => each.scope === scope)
  if (failure !== undefined) return `${failure.address}: ${failure.message}`
  const blocked = result.blocked.find((each) => each.scope === scope)
  if (blocked !== undefined) {
    const cause = result.failures.find(({ address }) => address === blocked.by)
    return `${blocked.address} waits for ${blocked.by}${cause === undefined ? "" : `: ${cause.message}`}`
  }
  const left = result.remaining.find((each) => each.scope === scope)
  return left === undefined ? undefined : `${left.address} is not as configured: ${left.lines.join("; ")}`
}

/** The node's verdict from each relay's. */
export const verdictOf = (result: Convergence, relays: ReadonlyArray<RelayName>): Verdict => {
  const scopes = new Set<Scope>([...result.failures, ...result.blocked, ...result.remaining].map(({ scope }) => scope))
  if (scopes.size === 0) return "converged"
  return relays.some((name) => troubleOf(result, name) === undefined) ? "partly" : "failed"
}
