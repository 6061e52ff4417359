import { createHash } from "node:crypto"
import type { NodeRow } from "./NodeRow.ts"

/** `waiting`: never enabled. `disabled`: was enabled once. */
export type NodeState = "waiting" | "enabled" | "disabled"

export const stateOf = (node: Pick<NodeRow, "enabled" | "epoch">): NodeState =>
  node.enabled ? "enabled" : node.epoch === 1 ? "waiting" : "disabled"

/** The first 16 hex digits of SHA-256 over the EK's TPM2B_PUBLIC: short enough to compare with a label by eye. */
export const ekFingerprint = (ekPublic: string): string =>
  createHash("sha256").update(Buffer.from(ekPublic, "hex")).digest("hex").slice(0, 16)

/** A node as commands show it. `memory` is bytes, times are UTC. A null in `settings` is the common value. */
export const nodeView = (node: NodeRow, relays: ReadonlyArray<string>) => ({
  id: node.id,
  state: stateOf(node),
  hostname: node.hostname,
  n_cpus: node.n_cpus,
  memory: node.memory,
  cpu_name: node.cpu_name,
  kernel: node.kernel,
  agent_version: node.agent_version,
  tor_version: node.tor_version,
  relays,
  settings: { relays: node.relays_override, geoip: node.geoip_override },
  first_seen: node.first_seen,
  last_seen: node.last_seen,
  authenticated_at: node.authenticated_at,
  reported_at: node.reported_at,
  ek_fingerprint: ekFingerprint(node.ek_public),
  ak_name: node.ak_name
})
export type NodeView = ReturnType<typeof nodeView>
