import type { NodeId } from "@patela/domain/node/NodeId"
import { Context, Effect, Layer } from "effect"
import { Quarantine } from "../relays/Quarantine.ts"
import type { RelayRow } from "../relays/RelayRow.ts"
import { Relays } from "../relays/Relays.ts"
import { RemovedRelays } from "../relays/RemovedRelays.ts"
import { Settings } from "../settings/Settings.ts"
import type { StoreFailed } from "../store/StoreFailed.ts"
import type { Taken } from "./allocate.ts"
import { reservedAddresses } from "./reservedAddresses.ts"
import { type Given, takenBy } from "./takenBy.ts"

/** What cannot be given out. Read it in the transaction that gives, once it is its turn (`makeTurn`). */
export class Holdings extends Context.Service<Holdings, {
  /** What this node cannot be given. */
  readonly takenFor: (node: NodeId) => Effect.Effect<Taken, StoreFailed>
  /** The same for each of these, whose relays are `mine`, one after another. */
  readonly takenForEach: (
    nodes: ReadonlyArray<NodeId>,
    mine: (node: NodeId) => ReadonlyArray<RelayRow>
  ) => Effect.Effect<(node: NodeId, given: Given) => Taken, StoreFailed>
}>()("@patela/server/allocate/Holdings") {
  static readonly layer = Layer.effect(
    Holdings,
    Effect.gen(function*() {
      const relays = yield* Relays
      const quarantine = yield* Quarantine
      const removed = yield* RemovedRelays
      const settings = yield* Settings
      const takenNow = Effect.gen(function*() {
        return takenBy({
          relays: yield* relays.held,
          held: yield* quarantine.held,
          reserved: reservedAddresses(yield* settings.network)
        })
      })
      return Holdings.of({
        takenFor: Effect.fn("Holdings.takenFor")(function*(node: NodeId) {
          const taken = yield* takenNow
          return taken({ node, mine: yield* relays.ofNode(node), removed: yield* removed.ofNode(node) })
        }),
        takenForEach: Effect.fn("Holdings.takenForEach")(function*(
          nodes: ReadonlyArray<NodeId>,
          mine: (node: NodeId) => ReadonlyArray<RelayRow>
        ) {
          const taken = yield* takenNow
          const names = Map.groupBy(yield* removed.ofNodes(nodes), ({ node_id }) => node_id)
          return (node: NodeId, given: Given) =>
            taken({ node, mine: mine(node), removed: (names.get(node) ?? []).map(({ name }) => name) }, given)
        })
      })
    })
  )
}
