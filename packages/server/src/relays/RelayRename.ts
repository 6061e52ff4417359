import { RelayName } from "@patela/domain/relay/RelayName"
import { Context, Effect, Layer, Option, Schema } from "effect"
import { Audit } from "../audit/Audit.ts"
import { Generation } from "../generation/Generation.ts"
import { sqlAsStoreFailed, type StoreFailed } from "../store/StoreFailed.ts"
import { makeTurn } from "../store/Turn.ts"
import { Quarantine } from "./Quarantine.ts"
import { formerNames, type RelayRow } from "./RelayRow.ts"
import { Relays } from "./Relays.ts"
import { RelayUnknown } from "./RelayUnknown.ts"
import { RemovedRelays } from "./RemovedRelays.ts"

/** The relay cannot have that name; the message says why and what to do. Nothing was changed. */
export class RenameRefused extends Schema.TaggedError<RenameRefused>()("RenameRefused", { message: Schema.String }) {}

type RenameFailed = RenameRefused | RelayUnknown | StoreFailed

/**
 * Gives a relay another name. It keeps its node, slot, addresses and identity: the node is told its names of before, finds
 * its keys under one of them, and keeps them under the new one.
 */
export class RelayRename extends Context.Service<RelayRename, {
  /** The relay as it was. */
  readonly rename: (who: string, before: RelayName, after: string) => Effect.Effect<RelayRow, RenameFailed>
}>()("@patela/server/relays/RelayRename") {
  static readonly layer = Layer.effect(
    RelayRename,
    Effect.gen(function*() {
      const generation = yield* Generation
      const relays = yield* Relays
      const removed = yield* RemovedRelays
      const quarantine = yield* Quarantine
      const audit = yield* Audit
      const turn = yield* makeTurn("allocation")

      const refuse = (message: string) => new RenameRefused({ message })

      /** Nobody else has, had, or is kept back the name. */
      const checkFree = Effect.fnUntraced(function*(relay: RelayRow, name: RelayName) {
        const every = yield* relays.list
        if (every.some((other) => other.name === name)) return yield* refuse(`There is a relay ${name} already`)
        const former = every.find((other) =>
          other.id !== relay.id && other.node_id === relay.node_id && formerNames(other).includes(name)
        )
        if (former !== undefined) {
          return yield* refuse(`${former.name} of the same node was called ${name}, and has keys under that name there`)
        }
        // A name of its own of before is kept back for nobody else's sake.
        if (formerNames(relay).includes(name)) return
        if ((yield* removed.ofNode(relay.node_id)).includes(name)) {
          return yield* refuse(
            `Node ${relay.node_id} is told that ${name} was taken off it, and drops what it has of that name. Take another`
          )
        }
        if ((yield* quarantine.held).some((left) => left.name === name)) {
          return yield* refuse(
            `${name} is in quarantine, for a relay of that name was removed or renamed. Take another, or wait ` +
              "(patela pool get quarantine)"
          )
        }
      })

      const rename = Effect.fn("RelayRename.rename")(
        function*(who: string, before: RelayName, text: string) {
          const after = yield* Schema.decodeEffect(RelayName)(text).pipe(
            Effect.mapError(() =>
              refuse(
                `${
                  JSON.stringify(text)
                } is no relay name: 1 to 19 lower-case letters and digits, a letter first, and ` +
                  "not default"
              )
            )
          )
          yield* turn.take
          const relay = Option.getOrUndefined(yield* relays.find(before))
          if (relay === undefined) return yield* RelayUnknown.of(before)
          if (relay.blocked !== null) {
            return yield* refuse(
              `Node ${relay.node_id} says that ${before} is blocked, and its TPM may not have the keys yet, which a rename ` +
                `needs: ${relay.blocked}. Put that right first`
            )
          }
          if (before === after) return yield* refuse(`${before} is its name already`)
          yield* checkFree(relay, after)
          const formerly = [before, ...formerNames(relay).filter((name) => name !== after)]
          yield* relays.rename(before, after, formerly)
          yield* quarantine.release(relay.node_id, after)
          yield* quarantine.add({
            node_id: relay.node_id,
            name: before,
            slot: null,
            ip_v4: null,
            ip_v6: null,
            or_port: null
          })
          yield* audit.record({ who, what: `relay ${before}: renamed`, before, after })
          return relay
        },
        generation.change,
        sqlAsStoreFailed("rename a relay")
      )

      return RelayRename.of({ rename })
    })
  )
}
