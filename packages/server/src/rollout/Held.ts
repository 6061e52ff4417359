import { ResolvedNode, ResolvedRelay } from "@patela/domain/node/NodeConfig"
import { NodeId } from "@patela/domain/node/NodeId"
import { Context, Effect, Layer, type Option, Schema } from "effect"
import { SqlClient, SqlSchema } from "effect/sql"
import { ConfigChange } from "../generation/ConfigChange.ts"
import { asStoreFailed, type StoreFailed } from "../store/StoreFailed.ts"

/** What a node goes on being told while a rollout has not come to it. */
const HeldRow = Schema.Struct({
  node_id: NodeId,
  relays: Schema.fromJsonString(Schema.Array(ResolvedRelay)),
  node: Schema.fromJsonString(ResolvedNode)
})
export type HeldConfig = typeof HeldRow.Type

const encode = Schema.encodeEffect(HeldRow)

/** The nodes that a rollout holds at an earlier configuration. */
export class Held extends Context.Service<Held, {
  readonly find: (node: NodeId) => Effect.Effect<Option.Option<HeldConfig>, StoreFailed>
  /** By number. */
  readonly nodes: Effect.Effect<ReadonlyArray<NodeId>, StoreFailed>
  /** Not a change of what nodes are told: it is what they are told now. */
  readonly hold: (config: HeldConfig) => Effect.Effect<void, StoreFailed>
  readonly release: (nodes: ReadonlyArray<NodeId>) => Effect.Effect<void, StoreFailed, ConfigChange>
}>()("@patela/server/rollout/Held") {
  static readonly layer = Layer.effect(
    Held,
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const byNode = SqlSchema.findOneOption({
        Request: NodeId,
        Result: HeldRow,
        execute: (node) => sql`SELECT * FROM held_configs WHERE node_id = ${node}`
      })
      const all = SqlSchema.findAll({
        Request: Schema.Void,
        Result: Schema.Struct({ node_id: NodeId }),
        execute: () => sql`SELECT node_id FROM held_configs ORDER BY node_id`
      })
      return Held.of({
        find: Effect.fn("Held.find")((node: NodeId) =>
          byNode(node).pipe(asStoreFailed("look up what a node is held at"))
        ),
        nodes: all().pipe(
          Effect.map((rows) => rows.map(({ node_id }) => node_id)),
          asStoreFailed("list the nodes that are held")
        ),
        hold: Effect.fn("Held.hold")(function*(config: HeldConfig) {
          yield* sql`INSERT INTO held_configs ${sql.insert(yield* encode(config))}`
        }, asStoreFailed("hold a node")),
        release: Effect.fn("Held.release")(function*(nodes: ReadonlyArray<NodeId>) {
          yield* ConfigChange.counted
          for (const node of nodes) yield* sql`DELETE FROM held_configs WHERE node_id = ${node}`
        }, asStoreFailed("release nodes"))
      })
    })
  )
}
