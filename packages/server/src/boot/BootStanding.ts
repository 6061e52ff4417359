import type { BootSelection } from "@patela/domain/attestation/BootEvidence"
import type { NodeId } from "@patela/domain/node/NodeId"
import { type Boot, type BootDigest, bootDigestOf } from "./Boot.ts"
import { isOfSelection } from "./bootSelection.ts"
import { type AllowedBoot, judgeBoot, refusalOf } from "./judgeBoot.ts"

/** `unchecked`: nodes are not asked. `unknown`: the node's newest session has not shown the PCRs that are asked for. */
export type BootState = "unchecked" | "unknown" | "allowed" | "not allowed"

/** How a node's last evidence stands to the policy. `why` is null unless it is not allowed. Times are UTC. */
export interface BootStanding {
  readonly state: BootState
  readonly digest: BootDigest | null
  readonly pcrs: Boot | null
  readonly shown_at: string | null
  readonly why: string | null
}

export const bootStandingOf = (input: {
  readonly node: NodeId
  readonly asked: boolean
  readonly selection: BootSelection
  readonly shown: { readonly boot: Boot; readonly shown_at: string; readonly newest: string | null } | undefined
  readonly allowed: ReadonlyArray<AllowedBoot>
}): BootStanding => {
  const { node, asked, selection, shown, allowed } = input
  if (shown === undefined) {
    return { state: asked ? "unknown" : "unchecked", digest: null, pcrs: null, shown_at: null, why: null }
  }
  const { boot, shown_at } = shown
  const common = { digest: bootDigestOf(boot), pcrs: boot, shown_at }
  if (!asked) return { state: "unchecked", ...common, why: null }
  // What it showed before says nothing of a boot that it does not show.
  if (shown.newest === null || !isOfSelection(boot, selection)) return { state: "unknown", ...common, why: null }
  const verdict = judgeBoot(node, boot, allowed)
  return verdict.allowed
    ? { state: "allowed", ...common, why: null }
    : { state: "not allowed", ...common, why: refusalOf(node, boot, verdict.difference) }
}
