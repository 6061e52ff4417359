import type { NodeRow } from "../nodes/NodeRow.ts"
import { configurationStateOf, stateOf as nodeStateOf } from "../nodes/NodeView.ts"
import type { RelayRow } from "../relays/RelayRow.ts"
import { stateOf as relayStateOf } from "../relays/RelayView.ts"

/** A node that asks once a minute is counted as silent after so many milliseconds. */
export const SILENT_MILLIS = 180_000

/** What is looked at of one node. `contact` says whether an enabled node was heard of in the last three minutes. */
export interface NodeSight {
  readonly hostname: string | null
  readonly state: string
  readonly configuration: string
  readonly contact: string
  readonly rolled_back: string | null
}

/** What is looked at of one relay. `blocked` is its node's word of why it does not run. */
export interface RelaySight {
  readonly node: string
  readonly state: string
  readonly blocked: string | null
  readonly alarm: string | null
}

/** The fleet at one moment. */
export interface FleetSight {
  readonly nodes: ReadonlyMap<string, NodeSight>
  readonly relays: ReadonlyMap<string, RelaySight>
}

const contactOf = ({ enabled, last_seen }: NodeRow, nowMillis: number): string =>
  !enabled ? "-" : nowMillis - Date.parse(last_seen) > SILENT_MILLIS ? "silent" : "heard"

/** By the node's number and the relay's name. `current` is the generation now, `nowMillis` Unix milliseconds. Pure. */
export const fleetSightOf = (
  rows: { readonly nodes: ReadonlyArray<NodeRow>; readonly relays: ReadonlyArray<RelayRow> },
  current: number,
  nowMillis: number
): FleetSight => ({
  nodes: new Map(rows.nodes.map((node) => [String(node.id), {
    hostname: node.hostname,
    state: nodeStateOf(node),
    configuration: configurationStateOf(node, current),
    contact: contactOf(node, nowMillis),
    rolled_back: node.rolled_back
  }])),
  relays: new Map(rows.relays.map((relay) => [relay.name, {
    node: String(relay.node_id),
    state: relayStateOf(relay),
    blocked: relay.blocked,
    alarm: relay.alarm_rsa
  }]))
})

/** Whether a person should look: it is refused, silent, behind or took a configuration back. Pure. */
export const isNodeInTrouble = ({ configuration, contact, state }: NodeSight): boolean =>
  contact === "silent" || (state === "enabled" && configuration !== "current")

export const isRelayInTrouble = ({ state }: RelaySight): boolean => state === "alarm" || state === "blocked"
