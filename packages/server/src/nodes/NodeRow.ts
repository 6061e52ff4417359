import { NodeId } from "@patela/domain/node/NodeId"
import { Schema } from "effect"
import { Flag, Whole } from "../store/Column.ts"

const Text = Schema.NullOr(Schema.String)

/**
 * A machine as the server knows it. Keys are lower-case hex, times UTC in ISO 8601, memory bytes. The hardware is null
 * until the node reported it. `authenticated_at` is the first time that one of its tokens was used. `generation` is
 * that of the configuration which the node says it was brought to, `rolled_back` why it took a newer one back.
 * `proven_at` is when it proved, while it waited, that it holds the keys. `ek_root` is the SHA-256 of the root certificate that vouched for its endorsement key.
 * `relays_by_hardware` is how many relays its hardware carries, `allocation_refused` why it is given no more of them.
 * `clock_ahead` is by how many seconds its clock was ahead of the server's when it last authenticated.
 */
export const NodeRow = Schema.Struct({
  id: NodeId,
  ek_public: Schema.String,
  ak_public: Schema.String,
  ak_name: Schema.String,
  enabled: Flag,
  epoch: Whole,
  authenticated_at: Text,
  first_seen: Schema.String,
  last_seen: Schema.String,
  n_cpus: Schema.NullOr(Whole),
  memory: Schema.NullOr(Whole),
  cpu_name: Text,
  hostname: Text,
  kernel: Text,
  agent_version: Text,
  tor_version: Text,
  reported_at: Text,
  torrc: Schema.String,
  relays_override: Schema.NullOr(Whole),
  geoip_override: Schema.NullOr(Flag),
  generation: Schema.NullOr(Whole),
  rolled_back: Text,
  proven_at: Text,
  ek_root: Text,
  relays_by_hardware: Schema.NullOr(Whole),
  allocation_refused: Text,
  clock_ahead: Schema.NullOr(Whole)
})
export type NodeRow = typeof NodeRow.Type

/** The three values that together say which machine it is, in lower-case hex. */
export interface NodeIdentity {
  readonly ek_public: string
  readonly ak_public: string
  readonly ak_name: string
}

/** Whether a proof is asked of a machine: it waits, and gave none yet. */
export const mayProve = ({ enabled, epoch, proven_at }: NodeRow): boolean =>
  !enabled && epoch === 1 && proven_at === null
