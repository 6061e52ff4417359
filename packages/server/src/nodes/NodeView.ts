import { relayCount } from "../allocate/relayCount.ts"
import type { BootStanding } from "../boot/BootStanding.ts"
import { ekHashOf } from "../trust/EkHash.ts"
import type { TrustTier } from "../trust/TrustTier.ts"
import { clockStandingOf } from "./clockStanding.ts"
import type { NodeRow } from "./NodeRow.ts"

/** `waiting`: never enabled. `disabled`: was enabled once. */
export type NodeState = "waiting" | "enabled" | "disabled"

export const stateOf = (node: Pick<NodeRow, "enabled" | "epoch">): NodeState =>
  node.enabled ? "enabled" : node.epoch === 1 ? "waiting" : "disabled"

/** The first 16 hex digits of SHA-256 over the EK's TPM2B_PUBLIC: short enough to compare with a label by eye. */
export const ekFingerprint = (ekPublic: string): string => ekHashOf(ekPublic).slice(0, 16)

/**
 * How a node stands to the configuration. `unknown`: it never said. `behind`: it was last brought to an older one.
 * `rolled back`: it took one back, and says why. `ahead`: to a newer one than there is, so this database is an old copy.
 */
export type ConfigurationState = "unknown" | "current" | "behind" | "rolled back" | "ahead"

export const configurationStateOf = (
  { generation, rolled_back }: Pick<NodeRow, "generation" | "rolled_back">,
  current: number
): ConfigurationState => {
  if (rolled_back !== null) return "rolled back"
  if (generation === null) return "unknown"
  return generation === current ? "current" : generation < current ? "behind" : "ahead"
}

/** Whether the machine ever showed that it holds its keys: by a proof while it waited, or by using a token. */
export const isProven = ({ proven_at, authenticated_at }: NodeRow): boolean =>
  proven_at !== null || authenticated_at !== null

/**
 * How a node's relays stand to what it should have. `unknown`: it never said what hardware it has. `surplus`: more than its
 * hardware, or its own number, calls for; it keeps them. `exhausted`: it is given no more, and `refused` says why.
 */
export type AllocationState = "unknown" | "complete" | "short" | "surplus" | "exhausted"

export const allocationOf = (node: NodeRow, relays: number, mostByHardware: number) => {
  const wanted = relayCount(node, mostByHardware)
  const refused = node.allocation_refused
  const state: AllocationState = refused !== null
    ? "exhausted"
    : wanted === null
    ? "unknown"
    : relays < wanted
    ? "short"
    : relays > wanted
    ? "surplus"
    : "complete"
  return { state, wanted, by_hardware: node.relays_by_hardware, refused }
}

/** A node as commands show it. `memory` is bytes, times are UTC, `clock.ahead` seconds. A null in `settings` is the common value. */
export const nodeView = (
  node: NodeRow,
  relays: ReadonlyArray<string>,
  current: number,
  tier: TrustTier,
  boot: BootStanding,
  mostByHardware: number
) => ({
  id: node.id,
  state: stateOf(node),
  configuration: {
    state: configurationStateOf(node, current),
    generation: node.generation,
    current_generation: current,
    rolled_back: node.rolled_back
  },
  hostname: node.hostname,
  n_cpus: node.n_cpus,
  memory: node.memory,
  cpu_name: node.cpu_name,
  kernel: node.kernel,
  agent_version: node.agent_version,
  tor_version: node.tor_version,
  relays,
  allocation: allocationOf(node, relays.length, mostByHardware),
  settings: { relays: node.relays_override, geoip: node.geoip_override },
  first_seen: node.first_seen,
  last_seen: node.last_seen,
  authenticated_at: node.authenticated_at,
  reported_at: node.reported_at,
  proven: isProven(node),
  clock: clockStandingOf(node.clock_ahead),
  tier,
  boot,
  ek_sha256: ekHashOf(node.ek_public),
  ek_fingerprint: ekFingerprint(node.ek_public),
  ak_name: node.ak_name
})
export type NodeView = ReturnType<typeof nodeView>
