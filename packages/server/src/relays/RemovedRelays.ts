import { NodeId } from "@patela/domain/node/NodeId"
import { RelayName } from "@patela/domain/relay/RelayName"
import { Context, Effect, Layer, Schema } from "effect"
import { SqlClient, SqlSchema } from "effect/sql"
import { ConfigChange } from "../generation/ConfigChange.ts"
import { now } from "../store/Column.ts"
import { givenRows } from "../store/givenRows.ts"
import { asStoreFailed, type StoreFailed } from "../store/StoreFailed.ts"

/** How many removed relays are remembered for each node: as many as it has slots. */
export const REMEMBERED = 512

/**
 * Relays that people took off their nodes. A node is told which were its own, as the word that they and their keys may
 * go, and is given no relay of such a name.
 */
export class RemovedRelays extends Context.Service<RemovedRelays, {
  /** Remembers a relay as the newest of its node, and of those only so many. */
  readonly add: (node: NodeId, name: RelayName) => Effect.Effect<void, StoreFailed, ConfigChange>
  /** Those of one node, the newest first. */
  readonly ofNode: (node: NodeId) => Effect.Effect<ReadonlyArray<RelayName>, StoreFailed>
  /** Those of several nodes. */
  readonly ofNodes: (
    nodes: ReadonlyArray<NodeId>
  ) => Effect.Effect<ReadonlyArray<{ readonly node_id: NodeId; readonly name: RelayName }>, StoreFailed>
  /** Forgets one that comes back to its node. */
  readonly forget: (node: NodeId, name: RelayName) => Effect.Effect<void, StoreFailed, ConfigChange>
}>()("@patela/server/relays/RemovedRelays") {
  static readonly layer = Layer.effect(
    RemovedRelays,
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const Named = Schema.Struct({ name: RelayName })
      const byNode = SqlSchema.findAll({
        Request: NodeId,
        Result: Named,
        execute: (node) => sql`SELECT name FROM removed_relays WHERE node_id = ${node} ORDER BY id DESC`
      })
      const givenNodes = givenRows(sql, { node_id: "INTEGER" })
      const byNodes = SqlSchema.findAll({
        Request: Schema.Array(NodeId),
        Result: Schema.Struct({ node_id: NodeId, name: RelayName }),
        execute: (nodes) =>
          sql`SELECT node_id, name FROM removed_relays
            WHERE node_id IN (SELECT node_id FROM ${givenNodes(nodes.map((node_id) => ({ node_id })))})`
      })
      const namesOf = (rows: ReadonlyArray<typeof Named.Type>) => rows.map(({ name }) => name)

      const add = Effect.fn("RemovedRelays.add")(function*(node: NodeId, name: RelayName) {
        yield* ConfigChange.counted
        yield* sql`DELETE FROM removed_relays WHERE node_id = ${node} AND name = ${name}`
        yield* sql`INSERT INTO removed_relays ${sql.insert({ node_id: node, name, removed_at: yield* now })}`
        yield* sql`DELETE FROM removed_relays WHERE node_id = ${node} AND id NOT IN (
          SELECT id FROM removed_relays WHERE node_id = ${node} ORDER BY id DESC LIMIT ${REMEMBERED}
        )`
      }, asStoreFailed("remember a removed relay"))

      const forget = Effect.fn("RemovedRelays.forget")(function*(node: NodeId, name: RelayName) {
        yield* ConfigChange.counted
        yield* sql`DELETE FROM removed_relays WHERE node_id = ${node} AND name = ${name}`
      }, asStoreFailed("forget a removed relay"))

      return RemovedRelays.of({
        add,
        forget,
        ofNodes: Effect.fn("RemovedRelays.ofNodes")((nodes: ReadonlyArray<NodeId>) =>
          byNodes(nodes).pipe(asStoreFailed("list the removed relays of nodes"))
        ),
        ofNode: Effect.fn("RemovedRelays.ofNode")((node: NodeId) =>
          byNode(node).pipe(Effect.map(namesOf), asStoreFailed("list a node's removed relays"))
        )
      })
    })
  )
}
