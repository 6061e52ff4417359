import type { Ipv4 } from "@patela/domain/net/Ipv4"
import type { Ipv6 } from "@patela/domain/net/Ipv6"
import { NodeId } from "@patela/domain/node/NodeId"
import type { Fingerprints } from "@patela/domain/relay/Fingerprint"
import { RelayName } from "@patela/domain/relay/RelayName"
import type { Slot } from "@patela/domain/relay/Slot"
import { Context, Effect, Layer, type Option, Schema } from "effect"
import { SqlClient, SqlSchema } from "effect/sql"
import { ConfigChange } from "../generation/ConfigChange.ts"
import { now } from "../store/Column.ts"
import { givenRows } from "../store/givenRows.ts"
import { asStoreFailed, type StoreFailed } from "../store/StoreFailed.ts"
import { type HeldByRelays, heldByRelays } from "./heldByRelays.ts"
import { RelayRow } from "./RelayRow.ts"

/** What a new relay is given. */
export interface NewRelay {
  readonly name: RelayName
  readonly slot: Slot
  readonly ip_v4: Ipv4
  readonly ip_v6: Ipv6 | null
  readonly or_port: number
  readonly dir_port: number | null
}

/** A new relay of a node. */
export interface RelayOfNode extends NewRelay {
  readonly node_id: NodeId
}

/** A relay, and what its node says keeps it from running; null where nothing does. */
export interface BlockedRelay {
  readonly name: RelayName
  readonly blocked: string | null
}

/** A relay, and the identity that its node says it has. */
export interface IdentifiedRelay {
  readonly name: RelayName
  readonly fingerprints: Fingerprints
}

/** The relays of all nodes. The database refuses a name, a port of an address or a node's slot a second time. */
export class Relays extends Context.Service<Relays, {
  readonly list: Effect.Effect<ReadonlyArray<RelayRow>, StoreFailed>
  /** The names and addresses of all. In the transaction that has the turn of allocations, or they may change meanwhile. */
  readonly held: Effect.Effect<HeldByRelays, StoreFailed>
  /** Those of one node, by slot. */
  readonly ofNode: (node: NodeId) => Effect.Effect<ReadonlyArray<RelayRow>, StoreFailed>
  /** Those of several nodes, by node and slot. */
  readonly ofNodes: (nodes: ReadonlyArray<NodeId>) => Effect.Effect<ReadonlyArray<RelayRow>, StoreFailed>
  readonly find: (name: RelayName) => Effect.Effect<Option.Option<RelayRow>, StoreFailed>
  readonly insert: (
    relays: ReadonlyArray<RelayOfNode>
  ) => Effect.Effect<void, StoreFailed, ConfigChange>
  /** Puts a relay onto a node where nobody knows it: with no fingerprints, and no names of before. */
  readonly move: (
    name: RelayName,
    node: NodeId,
    place: Pick<NewRelay, "slot" | "ip_v4" | "ip_v6" | "or_port">
  ) => Effect.Effect<void, StoreFailed, ConfigChange>
  readonly rename: (
    before: RelayName,
    after: RelayName,
    formerly: ReadonlyArray<RelayName>
  ) => Effect.Effect<void, StoreFailed, ConfigChange>
  readonly delete: (name: RelayName) => Effect.Effect<void, StoreFailed, ConfigChange>
  readonly saveTorrc: (name: RelayName, torrc: string) => Effect.Effect<void, StoreFailed, ConfigChange>
  readonly saveBlocked: (relays: ReadonlyArray<BlockedRelay>) => Effect.Effect<void, StoreFailed>
  readonly recordFingerprints: (relays: ReadonlyArray<IdentifiedRelay>) => Effect.Effect<void, StoreFailed>
  readonly raiseAlarms: (relays: ReadonlyArray<IdentifiedRelay>) => Effect.Effect<void, StoreFailed>
}>()("@patela/server/relays/Relays") {
  static readonly layer = Layer.effect(
    Relays,
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const { changed, held } = yield* heldByRelays
      const all = SqlSchema.findAll({
        Request: Schema.Void,
        Result: RelayRow,
        execute: () => sql`SELECT * FROM relays ORDER BY node_id, slot`
      })
      const byNode = SqlSchema.findAll({
        Request: NodeId,
        Result: RelayRow,
        execute: (node) => sql`SELECT * FROM relays WHERE node_id = ${node} ORDER BY slot`
      })
      const givenNodes = givenRows(sql, { node_id: "INTEGER" })
      const byNodes = SqlSchema.findAll({
        Request: Schema.Array(NodeId),
        Result: RelayRow,
        execute: (nodes) =>
          sql`SELECT * FROM relays
            WHERE node_id IN (SELECT node_id FROM ${givenNodes(nodes.map((node_id) => ({ node_id })))})
            ORDER BY node_id, slot`
      })
      const byName = SqlSchema.findOneOption({
        Request: RelayName,
        Result: RelayRow,
        execute: (name) => sql`SELECT * FROM relays WHERE name = ${name}`
      })

      const given = givenRows(sql, {
        node_id: "INTEGER",
        name: "TEXT",
        slot: "INTEGER",
        ip_v4: "TEXT",
        ip_v6: "TEXT",
        or_port: "INTEGER",
        dir_port: "INTEGER"
      })
      const insert = Effect.fn("Relays.insert")(function*(relays: ReadonlyArray<RelayOfNode>) {
        if (relays.length === 0) return
        yield* ConfigChange.counted
        const rows = relays.map(({ node_id, name, slot, ip_v4, ip_v6, or_port, dir_port }) => ({
          node_id,
          name,
          slot,
          ip_v4,
          ip_v6,
          or_port,
          dir_port
        }))
        yield* sql`INSERT INTO relays (node_id, name, slot, ip_v4, ip_v6, or_port, dir_port)
          SELECT node_id, name, slot, ip_v4, ip_v6, or_port, dir_port FROM ${given(rows)}`
        yield* changed(relays)
      }, asStoreFailed("store new relays"))

      const move = Effect.fn("Relays.move")(
        function*(
          name: RelayName,
          node: NodeId,
          { slot, ip_v4, ip_v6, or_port }: Pick<NewRelay, "slot" | "ip_v4" | "ip_v6" | "or_port">
        ) {
          yield* ConfigChange.counted
          const unknown = {
            fingerprint_rsa: null,
            fingerprint_ed25519: null,
            alarm_rsa: null,
            alarm_ed25519: null,
            alarm_at: null,
            blocked: null,
            formerly: ""
          }
          yield* sql`UPDATE relays SET ${sql.update({ node_id: node, slot, ip_v4, ip_v6, or_port, ...unknown })}
            WHERE name = ${name}`
          yield* changed("others")
        },
        asStoreFailed("move a relay")
      )

      const rename = Effect.fn("Relays.rename")(
        function*(before: RelayName, after: RelayName, formerly: ReadonlyArray<RelayName>) {
          yield* ConfigChange.counted
          yield* sql`UPDATE relays SET ${sql.update({ name: after, formerly: formerly.join(" ") })}
            WHERE name = ${before}`
          yield* changed("others")
        },
        asStoreFailed("rename a relay")
      )

      const remove = Effect.fn("Relays.delete")(function*(name: RelayName) {
        yield* ConfigChange.counted
        yield* sql`DELETE FROM relays WHERE name = ${name}`
        yield* changed("others")
      }, asStoreFailed("delete a relay"))

      const saveTorrc = Effect.fn("Relays.saveTorrc")(function*(name: RelayName, torrc: string) {
        yield* ConfigChange.counted
        yield* sql`UPDATE relays SET torrc = ${torrc} WHERE name = ${name}`
      }, asStoreFailed("store a relay's torrc"))

      const givenBlocked = givenRows(sql, { name: "TEXT", blocked: "TEXT" })
      const saveBlocked = Effect.fn("Relays.saveBlocked")(function*(relays: ReadonlyArray<BlockedRelay>) {
        if (relays.length === 0) return
        const rows = relays.map(({ name, blocked }) => ({ name, blocked }))
        yield* sql`UPDATE relays SET blocked = given.blocked FROM ${givenBlocked(rows)} WHERE relays.name = given.name`
      }, asStoreFailed("store what blocks relays"))

      const givenIdentities = givenRows(sql, { name: "TEXT", rsa: "TEXT", ed25519: "TEXT" })
      const identities = (relays: ReadonlyArray<IdentifiedRelay>) =>
        givenIdentities(
          relays.map(({ name, fingerprints: { rsa, ed25519 } }) => ({ name, rsa, ed25519 }))
        )
      const recordFingerprints = Effect.fn("Relays.recordFingerprints")(
        function*(relays: ReadonlyArray<IdentifiedRelay>) {
          if (relays.length === 0) return
          yield* sql`UPDATE relays SET fingerprint_rsa = given.rsa, fingerprint_ed25519 = given.ed25519
            FROM ${identities(relays)} WHERE relays.name = given.name`
        },
        asStoreFailed("store relays' fingerprints")
      )

      const raiseAlarms = Effect.fn("Relays.raiseAlarms")(function*(relays: ReadonlyArray<IdentifiedRelay>) {
        if (relays.length === 0) return
        yield* sql`UPDATE relays SET alarm_rsa = given.rsa, alarm_ed25519 = given.ed25519, alarm_at = ${yield* now}
          FROM ${identities(relays)} WHERE relays.name = given.name`
      }, asStoreFailed("store fingerprint alarms"))

      return Relays.of({
        list: all().pipe(asStoreFailed("list the relays")),
        held: held.pipe(asStoreFailed("list what relays have")),
        ofNode: (node) => byNode(node).pipe(asStoreFailed("list a node's relays")),
        ofNodes: (nodes) => byNodes(nodes).pipe(asStoreFailed("list the relays of nodes")),
        find: (name) => byName(name).pipe(asStoreFailed("read a relay")),
        insert,
        move,
        rename,
        delete: remove,
        saveTorrc,
        saveBlocked,
        recordFingerprints,
        raiseAlarms
      })
    })
  )
}
