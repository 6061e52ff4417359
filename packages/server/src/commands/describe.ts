import type { BootState } from "../boot/BootStanding.ts"
import { type ClockState, differenceText } from "../nodes/clockStanding.ts"
import type { AllocationState, ConfigurationState, NodeState, NodeView } from "../nodes/NodeView.ts"
import type { RelayState, RelayView } from "../relays/RelayView.ts"
import { colour } from "./colour.ts"
import { plain, table } from "./table.ts"

type AnyState = NodeState | AllocationState | ConfigurationState | RelayState | BootState | ClockState

const STATE_COLOURS: Readonly<Record<AnyState, "green" | "yellow" | "red" | "dim">> = {
  enabled: "green",
  waiting: "yellow",
  disabled: "dim",
  unknown: "dim",
  unchecked: "dim",
  allowed: "green",
  "not allowed": "red",
  complete: "green",
  short: "yellow",
  surplus: "yellow",
  exhausted: "red",
  current: "green",
  behind: "yellow",
  "rolled back": "red",
  ahead: "red",
  running: "green",
  new: "yellow",
  blocked: "red",
  alarm: "red",
  "clock right": "green",
  "clock off": "yellow"
}

const stateText = (state: AnyState): string => colour(STATE_COLOURS[state], state)

const GIB = 1024 ** 3

const memoryText = (bytes: number | null): string => bytes === null ? "-" : `${(bytes / GIB).toFixed(1)} GiB`

const known = (value: string | number | null): string => value === null ? "-" : plain(String(value))

const provenText = ({ proven }: NodeView): string => proven ? "proven" : "unproven"

/** How many relays a node has, and of how many where those are others. */
const relaysText = ({ allocation: { state, wanted }, relays }: NodeView): string =>
  state === "complete" || state === "unknown" || wanted === null
    ? String(relays.length)
    : `${relays.length} of ${wanted}, ${stateText(state)}`

/** A line for each node that is given no more relays. */
export const exhaustedText = (nodes: ReadonlyArray<NodeView>): ReadonlyArray<string> => {
  const lines = nodes.flatMap(({ allocation: { refused }, id }) =>
    refused === null ? [] : [`${colour("red", "alarm")}: node ${id} is given no more relays: ${plain(refused)}`]
  )
  return lines.length === 0 ? [] : [lines.join("\n")]
}

/** A line for each node whose clock is not that of the server. */
export const clocksText = (nodes: ReadonlyArray<Pick<NodeView, "id" | "clock">>): ReadonlyArray<string> => {
  const lines = nodes.flatMap(({ clock: { ahead, state }, id }) =>
    state !== "clock off" || ahead === null
      ? []
      : [`${stateText(state)}: that of node ${id} is ${differenceText(ahead)} the server's`]
  )
  return lines.length === 0 ? [] : [lines.join("\n")]
}

export const nodeTable = (nodes: ReadonlyArray<NodeView>): string =>
  table(
    [
      "ID",
      "STATE",
      "CONFIGURATION",
      "HOSTNAME",
      "CPUS",
      "MEMORY",
      "RELAYS",
      "KEYS",
      "TIER",
      "BOOT",
      "LAST SEEN (UTC)",
      "EK SHA-256"
    ],
    nodes.map((node) => [
      String(node.id),
      stateText(node.state),
      stateText(node.configuration.state),
      known(node.hostname),
      known(node.n_cpus),
      memoryText(node.memory),
      relaysText(node),
      provenText(node),
      node.tier,
      stateText(node.boot.state),
      node.last_seen.slice(0, 19).replace("T", " "),
      node.ek_sha256
    ])
  )

export const relayTable = (relays: ReadonlyArray<RelayView>): string =>
  table(
    ["RELAY", "NODE", "SLOT", "STATE", "IPV4", "IPV6", "PORT", "FINGERPRINT"],
    relays.map((relay) => [
      relay.name,
      String(relay.node),
      String(relay.slot),
      stateText(relay.state),
      relay.ip_v4,
      known(relay.ip_v6),
      String(relay.or_port),
      known(relay.fingerprint?.rsa ?? null)
    ])
  )

const configurationText = ({ state, generation, current_generation, rolled_back }: NodeView["configuration"]) =>
  `${stateText(state)}, generation ${known(generation)} of ${current_generation}${
    rolled_back === null ? "" : `: ${plain(rolled_back)}`
  }`

const bootText = ({ boot: { state, digest, why } }: NodeView): string =>
  [stateText(state), ...digest === null ? [] : [`, ${digest}`], ...why === null ? [] : [`: ${plain(why)}`]].join("")

const clockText = ({ clock: { ahead, state } }: NodeView): string =>
  ahead === null ? stateText(state) : `${stateText(state)}, ${differenceText(ahead)} the server's`

const allocationText = ({ allocation: { by_hardware, refused, state, wanted } }: NodeView): string =>
  `${known(wanted)}, ${stateText(state)}; by hardware ${known(by_hardware)}${
    refused === null ? "" : `: ${plain(refused)}`
  }`

/** One node, a line for each thing that is known of it. */
export const nodeText = (node: NodeView): string =>
  table(["NODE", String(node.id)], [
    ["state", stateText(node.state)],
    ["configuration", configurationText(node.configuration)],
    ["hostname", known(node.hostname)],
    ["hardware", `${known(node.n_cpus)} CPUs (${known(node.cpu_name)}), ${memoryText(node.memory)} memory`],
    ["kernel", known(node.kernel)],
    ["agent, tor", `${known(node.agent_version)}, ${known(node.tor_version)}`],
    ["relays", node.relays.join(" ") || "-"],
    ["relays wanted", allocationText(node)],
    ["setting relays", String(node.settings.relays ?? "default")],
    ["setting geoip", node.settings.geoip === null ? "default" : node.settings.geoip ? "on" : "off"],
    ["first seen", node.first_seen],
    ["last seen", node.last_seen],
    ["authenticated", known(node.authenticated_at)],
    ["reported", known(node.reported_at)],
    ["keys", `${provenText(node)}, ${node.tier}`],
    ["boot", bootText(node)],
    ["clock", clockText(node)],
    ["EK SHA-256", node.ek_sha256],
    ["AK name", node.ak_name]
  ])
