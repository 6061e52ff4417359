import type { NodeId } from "@patela/domain/node/NodeId"
import type { RelayName } from "@patela/domain/relay/RelayName"
import { lineDifferences } from "@patela/domain/torrc/lineDifferences"
import { renderTorrc } from "@patela/domain/torrc/render"
import { changeImpact, restartOptionsOf } from "@patela/domain/torrc/RestartOptions"
import type { Torrc } from "@patela/domain/torrc/Torrc"
import { type LayerReader, type LayerTexts, mergedLayers } from "./resolveTorrc.ts"
import type { TorrcScope } from "./TorrcScope.ts"

/** A relay with its layers as they are. */
export interface LayeredRelay {
  readonly name: RelayName
  readonly node: NodeId
  readonly layers: LayerTexts
}

/** Relays whose torrcs would change by the same lines. `restart_for` are the options that tor reads at its start alone. */
export interface ChangedRelays {
  readonly impact: "reload" | "restart"
  readonly restart_for: ReadonlyArray<string>
  readonly lines: ReadonlyArray<string>
  readonly relays: ReadonlyArray<{ readonly name: RelayName; readonly node: NodeId }>
}

/** What a change of a layer would do to the fleet, the largest group first. */
export interface FleetChange {
  readonly changed: ReadonlyArray<ChangedRelays>
  readonly unchanged: number
}

/** What becomes of every relay when the text of one layer is another. */
export const fleetChange = (
  relays: ReadonlyArray<LayeredRelay>,
  scope: TorrcScope,
  text: string,
  read: LayerReader
): FleetChange => {
  // Relays with the same layers are told the same, and there are thousands of them.
  const known = new Map<string, Effect | undefined>()
  const effectOn = ({ layers }: LayeredRelay): Effect | undefined => {
    const key = JSON.stringify([layers.node, layers.relay])
    if (!known.has(key)) {
      known.set(key, effectOf(mergedLayers(layers, read), mergedLayers(withLayer(layers, scope, text), read)))
    }
    return known.get(key)
  }
  const groups = new Map<string, { readonly effect: Effect; readonly relays: Array<ChangedRelays["relays"][number]> }>()
  let unchanged = 0
  for (const relay of relays) {
    const effect = isBelow(scope, relay) ? effectOn(relay) : undefined
    if (effect === undefined) unchanged++
    else {
      const key = JSON.stringify(effect)
      const group = groups.get(key) ?? { effect, relays: [] }
      group.relays.push({ name: relay.name, node: relay.node })
      groups.set(key, group)
    }
  }
  const changed = [...groups.values()].map(({ effect, relays }) => ({ ...effect, relays }))
  return { changed: changed.sort((one, other) => other.relays.length - one.relays.length), unchanged }
}

type Effect = Omit<ChangedRelays, "relays">

const effectOf = (before: Torrc, after: Torrc): Effect | undefined => {
  const impact = changeImpact(before, after)
  if (impact === "none") return undefined
  const lines = lineDifferences(renderTorrc(before), renderTorrc(after))
  return { impact, restart_for: restartOptionsOf(before, after), lines }
}

const isBelow = (scope: TorrcScope, { name, node }: LayeredRelay): boolean =>
  scope.of === "default" || (scope.of === "node" ? scope.id === node : scope.name === name)

const withLayer = (layers: LayerTexts, { of }: TorrcScope, text: string): LayerTexts =>
  of === "default" ? { ...layers, global: text } : { ...layers, [of]: text }
