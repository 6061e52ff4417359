import type { NodeId } from "@patela/domain/node/NodeId"
import { Context, Effect, Layer } from "effect"
import { Quarantine } from "../relays/Quarantine.ts"
import { Relays } from "../relays/Relays.ts"
import { RemovedRelays } from "../relays/RemovedRelays.ts"
import { Settings } from "../settings/Settings.ts"
import type { StoreFailed } from "../store/StoreFailed.ts"
import type { Taken } from "./allocate.ts"
import { reservedAddresses } from "./reservedAddresses.ts"
import { takenBy } from "./takenBy.ts"

/** What cannot be given out. Read it in the transaction that gives, once it is its turn (`makeTurn`). */
export class Holdings extends Context.Service<Holdings, {
  /** What this node cannot be given. */
  readonly takenFor: (node: NodeId) => Effect.Effect<Taken, StoreFailed>
}>()("@patela/server/allocate/Holdings") {
  static readonly layer = Layer.effect(
    Holdings,
    Effect.gen(function*() {
      const relays = yield* Relays
      const quarantine = yield* Quarantine
      const removed = yield* RemovedRelays
      const settings = yield* Settings
      return Holdings.of({
        takenFor: Effect.fn("Holdings.takenFor")(function*(node: NodeId) {
          return takenBy({
            node,
            relays: yield* relays.held,
            mine: yield* relays.ofNode(node),
            held: yield* quarantine.held,
            removed: yield* removed.ofNode(node),
            reserved: reservedAddresses(yield* settings.network)
          })
        })
      })
    })
  )
}
