import { Ed25519Fingerprint, RsaFingerprint } from "@patela/domain/relay/Fingerprint"
import { Effect, Schema } from "effect"
import type { MachineRoom } from "../rig/MachineRoom.ts"
import { type Mission, MissionFault } from "./Mission.ts"

/** What the server has on record of a relay, as `patela list relay --json` says it. */
export const RelayOnRecord = Schema.Struct({
  name: Schema.String,
  node: Schema.Int,
  slot: Schema.Int,
  state: Schema.String,
  ip_v4: Schema.String,
  ip_v6: Schema.NullOr(Schema.String),
  or_port: Schema.Int,
  fingerprint: Schema.NullOr(Schema.Struct({ rsa: RsaFingerprint, ed25519: Ed25519Fingerprint }))
})
export type RelayOnRecord = typeof RelayOnRecord.Type

const Listing = Schema.fromJsonString(Schema.Struct({ relays: Schema.Array(RelayOnRecord) }))

/** Every relay that the server knows, by slot. */
export const relaysOnRecord = Effect.fnUntraced(function*(mission: Mission<MachineRoom>) {
  const text = yield* mission.patela("list", "relay", "--json")
  const { relays } = yield* Schema.decodeEffect(Listing)(text).pipe(
    Effect.mapError(({ message }) => new MissionFault({ message: `patela list relay --json: ${message}` }))
  )
  return relays.toSorted((one, other) => one.slot - other.slot)
})
