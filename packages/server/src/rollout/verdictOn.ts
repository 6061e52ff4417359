import type { NodeRow } from "../nodes/NodeRow.ts"
import type { RelayRow } from "../relays/RelayRow.ts"
import { stateOf } from "../relays/RelayView.ts"

/** How a node that was released stands: it has what it was released to, not yet, or never as things are. */
export type Verdict =
  | { readonly verdict: "good" }
  | { readonly verdict: "waiting"; readonly why: string }
  | { readonly verdict: "failed"; readonly why: string }

/**
 * `released` is the generation of the release: a report of that or a later one is about it. A relay that is blocked may
 * come up by itself, so it is waited for. Pure.
 */
export const verdictOn = (
  node: Pick<NodeRow, "enabled" | "generation" | "rolled_back">,
  relays: ReadonlyArray<RelayRow>,
  released: number
): Verdict => {
  // Nobody waits for one that may not ask.
  if (!node.enabled) return { verdict: "good" }
  if (node.rolled_back !== null) {
    return { verdict: "failed", why: `it took the configuration back: ${node.rolled_back}` }
  }
  if (node.generation === null || node.generation < released) {
    return { verdict: "waiting", why: "it has not reported that it is at the new configuration" }
  }
  for (const relay of relays) {
    const state = stateOf(relay)
    if (state === "alarm") {
      return { verdict: "failed", why: `${relay.name} has other identity keys than those on record` }
    }
    if (state === "blocked") return { verdict: "waiting", why: `${relay.name} is blocked: ${relay.blocked ?? ""}` }
  }
  return { verdict: "good" }
}
