import type { NodeId } from "@patela/domain/node/NodeId"
import { Context, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { Audit } from "../audit/Audit.ts"
import { Generation } from "../generation/Generation.ts"
import { Departure } from "../relays/Departure.ts"
import type { RelayRow } from "../relays/RelayRow.ts"
import { Relays } from "../relays/Relays.ts"
import { relayView } from "../relays/RelayView.ts"
import { sqlAsStoreFailed, type StoreFailed } from "../store/StoreFailed.ts"
import { makeTurn } from "../store/Turn.ts"
import { ekHashOf } from "../trust/EkHash.ts"
import { Administration, type NodeUnknown } from "./Administration.ts"
import type { NodeRow } from "./NodeRow.ts"
import { stateOf } from "./NodeView.ts"

/** A node and what goes with it. */
export interface RemovedNode {
  readonly node: NodeRow
  readonly relays: ReadonlyArray<RelayRow>
}

/** What else the database has of a node. */
const TABLES = ["sessions", "shown_boots", "event_logs", "removed_relays", "held_configs"] as const

/** Forgets a node. */
export class NodeRemoval extends Context.Service<NodeRemoval, {
  /** What removing it would come to. */
  readonly removal: (id: NodeId) => Effect.Effect<RemovedNode, NodeUnknown | StoreFailed>
  /**
   * Removes the node, its relays and all that is known of it in one transaction; what the relays had is in quarantine. Its
   * tokens end. Its number is never given again: the same machine would be a new one that waits.
   */
  readonly remove: (who: string, id: NodeId) => Effect.Effect<RemovedNode, NodeUnknown | StoreFailed>
}>()("@patela/server/nodes/NodeRemoval") {
  static readonly layer = Layer.effect(
    NodeRemoval,
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const generation = yield* Generation
      const administration = yield* Administration
      const relays = yield* Relays
      const departure = yield* Departure
      const audit = yield* Audit
      const turn = yield* makeTurn("allocation")

      const removal = Effect.fn("NodeRemoval.removal")(function*(id: NodeId) {
        return { node: yield* administration.node(id), relays: yield* relays.ofNode(id) }
      })

      const remove = Effect.fn("NodeRemoval.remove")(
        function*(who: string, id: NodeId) {
          yield* turn.take
          const found = yield* removal(id)
          for (const relay of found.relays) {
            yield* relays.delete(relay.name)
            yield* departure.keepBack(relay, { name: false, addresses: false })
          }
          for (const table of TABLES) yield* sql`DELETE FROM ${sql(table)} WHERE node_id = ${id}`
          yield* sql`DELETE FROM nodes WHERE id = ${id}`
          for (const relay of found.relays) {
            yield* audit.record({
              who,
              what: `relay ${relay.name}: removed with node ${id}`,
              before: JSON.stringify(relayView(relay)),
              after: null
            })
          }
          const { node } = found
          yield* audit.record({
            who,
            what: `node ${id}: removed`,
            before: JSON.stringify({
              state: stateOf(node),
              hostname: node.hostname,
              ek_sha256: ekHashOf(node.ek_public)
            }),
            after: null
          })
          return found
        },
        generation.change,
        sqlAsStoreFailed("remove a node")
      )

      return NodeRemoval.of({ removal, remove })
    })
  )
}
