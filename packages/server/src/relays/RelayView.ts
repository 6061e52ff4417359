import { fingerprintsOf, formerNames, type RelayRow } from "./RelayRow.ts"

/**
 * `alarm`: its node reported other identity keys than those on record. `blocked`: its node said why it does not run.
 * `new`: its node has not reported its keys yet.
 */
export type RelayState = "alarm" | "blocked" | "new" | "running"

export const stateOf = (relay: RelayRow): RelayState =>
  relay.alarm_at !== null
    ? "alarm"
    : relay.blocked !== null
    ? "blocked"
    : relay.fingerprint_rsa === null
    ? "new"
    : "running"

/** A relay as commands show it. */
export const relayView = (relay: RelayRow) => ({
  name: relay.name,
  formerly: formerNames(relay),
  node: relay.node_id,
  slot: relay.slot,
  state: stateOf(relay),
  ip_v4: relay.ip_v4,
  ip_v6: relay.ip_v6,
  or_port: relay.or_port,
  dir_port: relay.dir_port,
  fingerprint: fingerprintsOf(relay),
  alarm: relay.alarm_at === null ? null : { at: relay.alarm_at, rsa: relay.alarm_rsa, ed25519: relay.alarm_ed25519 },
  blocked: relay.blocked
})
export type RelayView = ReturnType<typeof relayView>
