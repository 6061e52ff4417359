import { Ipv4 } from "@patela/domain/net/Ipv4"
import { Ipv6 } from "@patela/domain/net/Ipv6"
import { NodeId } from "@patela/domain/node/NodeId"
import { Ed25519Fingerprint, type Fingerprints, RsaFingerprint } from "@patela/domain/relay/Fingerprint"
import { RelayName } from "@patela/domain/relay/RelayName"
import { Slot } from "@patela/domain/relay/Slot"
import { Schema } from "effect"
import { Whole } from "../store/Column.ts"

/**
 * A relay as the server keeps it. The alarm columns hold the last fingerprints that a node reported and that differ
 * from those on record; `blocked` is what the node said keeps it from running. `formerly` are its names of before, the
 * newest first, with spaces between.
 */
export const RelayRow = Schema.Struct({
  id: Whole,
  node_id: NodeId,
  name: RelayName,
  slot: Slot,
  ip_v4: Ipv4,
  ip_v6: Schema.NullOr(Ipv6),
  or_port: Whole,
  dir_port: Schema.NullOr(Whole),
  torrc: Schema.String,
  fingerprint_rsa: Schema.NullOr(RsaFingerprint),
  fingerprint_ed25519: Schema.NullOr(Ed25519Fingerprint),
  alarm_rsa: Schema.NullOr(RsaFingerprint),
  alarm_ed25519: Schema.NullOr(Ed25519Fingerprint),
  alarm_at: Schema.NullOr(Schema.String),
  blocked: Schema.NullOr(Schema.String),
  formerly: Schema.String
})
export type RelayRow = typeof RelayRow.Type

/** The fingerprints on record: both or none. */
export const fingerprintsOf = (
  relay: Pick<RelayRow, "fingerprint_rsa" | "fingerprint_ed25519">
): Fingerprints | null =>
  relay.fingerprint_rsa === null || relay.fingerprint_ed25519 === null
    ? null
    : { rsa: relay.fingerprint_rsa, ed25519: relay.fingerprint_ed25519 }

/** The names that the relay had before, the newest first: its keys may be kept under one of them. */
export const formerNames = ({ formerly }: Pick<RelayRow, "formerly">): ReadonlyArray<RelayName> =>
  formerly.split(" ").filter(Schema.is(RelayName))
