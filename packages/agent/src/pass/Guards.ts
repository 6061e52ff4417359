import type { NodeConfig } from "@patela/domain/node/NodeConfig"
import type { ChangeView } from "@patela/domain/reconciler/Change"
import type { Kind } from "@patela/domain/reconciler/Kind"
import { type Held, type Hold, holdAny } from "../converge/Hold.ts"
import type { Notes } from "../host/AgentState.ts"
import { pruneGuard } from "./PruneGuard.ts"
import { quarantineHold } from "./Quarantine.ts"

/** What keeps changes back whoever asks for them: the prune guards, and a configuration that was taken back. Pure. */
export const guardsFor = <Read, Write>(
  kinds: ReadonlyArray<Kind<Read, Write>>,
  changes: ReadonlyArray<ChangeView>,
  config: NodeConfig,
  notes: Notes
): Hold => {
  const network = new Set(kinds.flatMap(({ checkpoint, kind }) => checkpoint === undefined ? [] : [kind]))
  return holdAny(pruneGuard(changes, config, notes.generation), quarantineHold(config, notes, network))
}

/** The changes that a hold keeps back. Pure. */
export const heldBy = (hold: Hold, changes: ReadonlyArray<ChangeView>): ReadonlyArray<Held> =>
  changes.flatMap((change) => {
    const why = hold(change)
    const { address, kind, scope } = change
    return why === undefined ? [] : [{ kind, address, scope, why }]
  })
