import { Context, Effect, Layer } from "effect"
import type { ConfigChange } from "../generation/ConfigChange.ts"
import type { StoreFailed } from "../store/StoreFailed.ts"
import { Quarantine } from "./Quarantine.ts"
import { formerNames, type RelayRow } from "./RelayRow.ts"
import { RemovedRelays } from "./RemovedRelays.ts"

/** What a relay takes along that leaves its node. */
export interface TakenAlong {
  readonly name: boolean
  readonly addresses: boolean
}

/** A relay leaves its node: the node is told, and what the relay leaves there is kept back. */
export class Departure extends Context.Service<Departure, {
  readonly leave: (relay: RelayRow, along: TakenAlong) => Effect.Effect<void, StoreFailed, ConfigChange>
  /** The same where there is no node any more to be told. */
  readonly keepBack: (relay: RelayRow, along: TakenAlong) => Effect.Effect<void, StoreFailed>
}>()("@patela/server/relays/Departure") {
  static readonly layer = Layer.effect(
    Departure,
    Effect.gen(function*() {
      const quarantine = yield* Quarantine
      const removed = yield* RemovedRelays

      const keepBack = Effect.fn("Departure.keepBack")((relay: RelayRow, along: TakenAlong) =>
        quarantine.add({
          node_id: relay.node_id,
          name: along.name ? null : relay.name,
          slot: relay.slot,
          ip_v4: along.addresses ? null : relay.ip_v4,
          ip_v6: along.addresses ? null : relay.ip_v6,
          or_port: along.addresses ? null : relay.or_port
        })
      )

      const leave = Effect.fn("Departure.leave")(function*(relay: RelayRow, along: TakenAlong) {
        // A node that has not heard of a new name has the relay, and its keys, under an old one.
        for (const name of [...formerNames(relay), relay.name]) yield* removed.add(relay.node_id, name)
        yield* keepBack(relay, along)
      })

      return Departure.of({ leave, keepBack })
    })
  )
}
