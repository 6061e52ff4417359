import { Ipv4 } from "@patela/domain/net/Ipv4"
import { Ipv6 } from "@patela/domain/net/Ipv6"
import { NodeId } from "@patela/domain/node/NodeId"
import { RelayName } from "@patela/domain/relay/RelayName"
import { Slot } from "@patela/domain/relay/Slot"
import { Clock, Context, Effect, Layer, Schema } from "effect"
import { SqlClient, SqlSchema } from "effect/sql"
import { AllocationSettings } from "../allocate/AllocationSettings.ts"
import { now, Whole } from "../store/Column.ts"
import { asStoreFailed, type StoreFailed } from "../store/StoreFailed.ts"

const HOUR = 60 * 60 * 1000

/**
 * What a relay left on a node; null is what it did not leave. `or_port` is its port on `ip_v4`, which other relays of the
 * node may have on. `since` is UTC, ISO 8601.
 */
export const LeftBehind = Schema.Struct({
  node_id: NodeId,
  name: Schema.NullOr(RelayName),
  slot: Schema.NullOr(Slot),
  ip_v4: Schema.NullOr(Ipv4),
  ip_v6: Schema.NullOr(Ipv6),
  or_port: Schema.NullOr(Whole),
  since: Schema.String
})
export type LeftBehind = typeof LeftBehind.Type

/**
 * What relays left, until it may be given again: their node may be off, or not have heard, and still have it. A slot is a
 * UID and a firewall mark on its node, so it is kept back there; a name and an address everywhere.
 */
export class Quarantine extends Context.Service<Quarantine, {
  /** All that nobody may be given now, by the rules of now, the oldest first. */
  readonly held: Effect.Effect<ReadonlyArray<LeftBehind>, StoreFailed>
  /** Keeps it back from now on, and forgets what was kept back for long enough. */
  readonly add: (left: Omit<LeftBehind, "since">) => Effect.Effect<void, StoreFailed>
  /** Gives a name back before its time, to the node that left it. */
  readonly release: (node: NodeId, name: RelayName) => Effect.Effect<void, StoreFailed>
}>()("@patela/server/relays/Quarantine") {
  static readonly layer = Layer.effect(
    Quarantine,
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const settings = yield* AllocationSettings
      const after = SqlSchema.findAll({
        Request: Schema.String,
        Result: LeftBehind,
        execute: (time) =>
          sql`SELECT node_id, name, slot, ip_v4, ip_v6, or_port, since FROM quarantine WHERE since > ${time} ORDER BY id`
      })
      /** What was left at this time or before is free. */
      const free = Effect.gen(function*() {
        const { quarantine_hours } = yield* settings.rules
        const millis = yield* Clock.currentTimeMillis
        return new Date(millis - quarantine_hours * HOUR).toISOString()
      })

      const add = Effect.fn("Quarantine.add")(function*(left: Omit<LeftBehind, "since">) {
        yield* sql`DELETE FROM quarantine WHERE since <= ${yield* free}`
        const { node_id, name, slot, ip_v4, ip_v6, or_port } = left
        yield* sql`INSERT INTO quarantine ${
          sql.insert({ node_id, name, slot, ip_v4, ip_v6, or_port, since: yield* now })
        }`
      }, asStoreFailed("keep back what a relay left"))

      const release = Effect.fn("Quarantine.release")(function*(node: NodeId, name: RelayName) {
        yield* sql`UPDATE quarantine SET name = NULL WHERE node_id = ${node} AND name = ${name}`
      }, asStoreFailed("give a name back"))

      return Quarantine.of({
        held: Effect.flatMap(free, after).pipe(asStoreFailed("list what is kept back")),
        add,
        release
      })
    })
  )
}
