import type { RelayName } from "@patela/domain/relay/RelayName"
import { Context, Effect, Layer, Option } from "effect"
import { Audit } from "../audit/Audit.ts"
import { Generation } from "../generation/Generation.ts"
import { Administration, type NodeUnknown } from "../nodes/Administration.ts"
import { Nodes } from "../nodes/Nodes.ts"
import { overridesOf, settingEntry } from "../nodes/NodeSetting.ts"
import { sqlAsStoreFailed, type StoreFailed } from "../store/StoreFailed.ts"
import { makeTurn } from "../store/Turn.ts"
import { Departure } from "./Departure.ts"
import { Relays } from "./Relays.ts"
import { RelayUnknown } from "./RelayUnknown.ts"
import { relayView } from "./RelayView.ts"
import { type Removal, removalOf } from "./removalOf.ts"

type RemovalFailed = RelayUnknown | NodeUnknown | StoreFailed

/** What people decide about relays. Each change and its entries in the audit log are one transaction. */
export class RelayAdministration extends Context.Service<RelayAdministration, {
  /** What removing the relay would come to. */
  readonly removal: (name: RelayName) => Effect.Effect<Removal, RemovalFailed>
  /**
   * Takes the relay off its node for good: the node is told that it and its keys may go, and what it had is in quarantine.
   * The node's number of relays goes down with it, so that it is not given another in its place.
   */
  readonly remove: (who: string, name: RelayName) => Effect.Effect<Removal, RemovalFailed>
}>()("@patela/server/relays/RelayAdministration") {
  static readonly layer = Layer.effect(
    RelayAdministration,
    Effect.gen(function*() {
      const generation = yield* Generation
      const nodes = yield* Nodes
      const relays = yield* Relays
      const departure = yield* Departure
      const administration = yield* Administration
      const audit = yield* Audit
      // An allocation that began before must not give the node another relay in the place of this one.
      const turn = yield* makeTurn("allocation")

      const removal = Effect.fn("RelayAdministration.removal")(function*(name: RelayName) {
        const relay = Option.getOrUndefined(yield* relays.find(name))
        if (relay === undefined) return yield* RelayUnknown.of(name)
        const node = yield* administration.node(relay.node_id)
        return removalOf(relay, overridesOf(node), (yield* relays.ofNode(node.id)).length)
      })

      const inOneTransaction = Effect.fnUntraced(function*(who: string, name: RelayName) {
        yield* turn.take
        const found = yield* removal(name)
        const { relay, before, after } = found
        yield* relays.delete(name)
        yield* departure.leave(relay, { name: false, addresses: false })
        const fewer = after.relays_override !== before.relays_override
        if (fewer) yield* nodes.saveOverrides(relay.node_id, after)
        yield* audit.record({
          who,
          what: `relay ${name}: removed from node ${relay.node_id}`,
          before: JSON.stringify(relayView(relay)),
          after: null
        })
        if (fewer) yield* audit.record(settingEntry(who, relay.node_id, "relays", { before, after }))
        return found
      }, generation.change)

      return RelayAdministration.of({
        removal,
        remove: Effect.fn("RelayAdministration.remove")((who: string, name: RelayName) =>
          inOneTransaction(who, name).pipe(sqlAsStoreFailed("remove a relay"))
        )
      })
    })
  )
}
