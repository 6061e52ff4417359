import type { NodeId } from "@patela/domain/node/NodeId"
import type { RelayName } from "@patela/domain/relay/RelayName"
import { Slot, SLOTS } from "@patela/domain/relay/Slot"
import { Context, Effect, Layer, Option, Schema } from "effect"
import { allocatePlaces, type Place, type PoolExhausted } from "../allocate/allocate.ts"
import { AllocationSettings } from "../allocate/AllocationSettings.ts"
import { Holdings } from "../allocate/Holdings.ts"
import { Pools } from "../allocate/Pools.ts"
import { Audit } from "../audit/Audit.ts"
import { Generation } from "../generation/Generation.ts"
import { Administration, type NodeUnknown } from "../nodes/Administration.ts"
import type { NodeRow } from "../nodes/NodeRow.ts"
import { Nodes } from "../nodes/Nodes.ts"
import { overridesOf, settingEntry } from "../nodes/NodeSetting.ts"
import { configurationStateOf, stateOf } from "../nodes/NodeView.ts"
import { sqlAsStoreFailed, type StoreFailed } from "../store/StoreFailed.ts"
import { makeTurn } from "../store/Turn.ts"
import { Departure } from "./Departure.ts"
import { fingerprintsOf, formerNames, type RelayRow } from "./RelayRow.ts"
import { Relays } from "./Relays.ts"
import { RelayUnknown } from "./RelayUnknown.ts"
import { relayView } from "./RelayView.ts"
import { type Removal, removalOf } from "./removalOf.ts"
import { RemovedRelays } from "./RemovedRelays.ts"

/** The relay cannot go to that node as things are; the message says why and what to do. Nothing was changed. */
export class MoveRefused extends Schema.TaggedError<MoveRefused>()("MoveRefused", { message: Schema.String }) {}

/** What a person said of a move. */
export interface MoveWord {
  /** The identity keys, which only the TPM of the old node has, may be lost. */
  readonly newIdentity: boolean
  /** The addresses go along, though the old node may still have them up. */
  readonly keepAddresses: boolean
}

/** What a move came to. `left` is how the old node stands. */
export interface Move {
  readonly left: Removal
  readonly moved: RelayRow
}

type MoveFailed = MoveRefused | RelayUnknown | NodeUnknown | PoolExhausted | StoreFailed

/**
 * Puts a relay, by its name and torrc layer, onto another node. Identity keys are in the TPM of the old node and do not
 * come along: the relay starts there as one that nobody knows.
 */
export class RelayMove extends Context.Service<RelayMove, {
  readonly move: (who: string, name: RelayName, to: NodeId, word: MoveWord) => Effect.Effect<Move, MoveFailed>
}>()("@patela/server/relays/RelayMove") {
  static readonly layer = Layer.effect(
    RelayMove,
    Effect.gen(function*() {
      const generation = yield* Generation
      const administration = yield* Administration
      const nodes = yield* Nodes
      const relays = yield* Relays
      const removed = yield* RemovedRelays
      const departure = yield* Departure
      const holdings = yield* Holdings
      const pools = yield* Pools
      const rules = yield* AllocationSettings
      const audit = yield* Audit
      const turn = yield* makeTurn("allocation")

      const relayOf = Effect.fnUntraced(function*(name: RelayName) {
        const relay = Option.getOrUndefined(yield* relays.find(name))
        return relay ?? (yield* RelayUnknown.of(name))
      })

      /** What the new node's TPM may still have under the name would be taken for the relay's identity. */
      const checkName = Effect.fnUntraced(function*(name: RelayName, node: NodeRow, there: ReadonlyArray<RelayRow>) {
        const heir = there.find((relay) => formerNames(relay).includes(name))
        if (heir !== undefined) {
          return yield* new MoveRefused({
            message:
              `${heir.name} of node ${node.id} was called ${name}, and its keys may be kept under that name there. ` +
              "Rename the relay first: patela relay rename OLD NEW"
          })
        }
        if (!(yield* removed.ofNode(node.id)).includes(name)) return
        if (configurationStateOf(node, yield* generation.current) !== "current") {
          return yield* new MoveRefused({
            message:
              `${name} was taken off node ${node.id} before, which may not have heard of it and have its keys. Wait ` +
              `until it is current (patela list node), or rename the relay first: patela relay rename ${name} NEW`
          })
        }
        yield* removed.forget(node.id, name)
      })

      /** An address is of one node: two with it take each other off the network. */
      const checkAddress = Effect.fnUntraced(function*({ ip_v4, name, node_id }: RelayRow) {
        const others = (yield* relays.ofNode(node_id)).filter((other) => other.ip_v4 === ip_v4 && other.name !== name)
        if (others.length === 0) return
        return yield* new MoveRefused({
          message: `${ip_v4} is also the address of ${
            others.map((other) => other.name).join(", ")
          }, and stays on node ` +
            `${node_id} with it. Move ${name} without --keep-addresses`
        })
      })

      const placeOn = Effect.fnUntraced(function*(relay: RelayRow, node: NodeRow, keepAddresses: boolean) {
        const taken = yield* holdings.takenFor(node.id)
        if (!keepAddresses) {
          const perAddress = (yield* rules.rules).relays_per_address
          const [place] = yield* Effect.fromResult(
            allocatePlaces({ missing: 1, taken, pools: yield* pools.all, perAddress })
          )
          if (place !== undefined) return place
        }
        const slot = Array.from({ length: SLOTS }, (_, number) => number).find((number) => !taken.slots.has(number))
        if (slot === undefined) {
          return yield* new MoveRefused({ message: `Node ${node.id} has no free slot: it has ${SLOTS} in all` })
        }
        const { ip_v4, ip_v6, or_port } = relay
        return { slot: Slot.make(slot), ip_v4, ip_v6, or_port } satisfies Place
      })

      const move = Effect.fn("RelayMove.move")(
        function*(who: string, name: RelayName, to: NodeId, word: MoveWord) {
          yield* turn.take
          const relay = yield* relayOf(name)
          const node = yield* administration.node(to)
          const there = yield* relays.ofNode(to)
          const problem = problemOf(relay, node, there.length, word)
          if (problem !== undefined) return yield* new MoveRefused({ message: problem })
          if (word.keepAddresses) yield* checkAddress(relay)
          yield* checkName(name, node, there)
          const place = yield* placeOn(relay, node, word.keepAddresses)

          const before = overridesOf(yield* administration.node(relay.node_id))
          const left = removalOf(relay, before, (yield* relays.ofNode(relay.node_id)).length)
          yield* departure.leave(relay, { name: true, addresses: word.keepAddresses })
          yield* relays.move(name, to, place)
          const moved = yield* relayOf(name)
          const fewer = left.after.relays_override !== before.relays_override
          if (fewer) yield* nodes.saveOverrides(relay.node_id, left.after)
          yield* audit.record({
            who,
            what: `relay ${name}: moved from node ${relay.node_id} to node ${to}`,
            before: JSON.stringify(relayView(relay)),
            after: JSON.stringify(relayView(moved))
          })
          if (fewer) yield* audit.record(settingEntry(who, relay.node_id, "relays", { before, after: left.after }))
          return { left, moved }
        },
        generation.change,
        sqlAsStoreFailed("move a relay")
      )

      return RelayMove.of({ move })
    })
  )
}

/** Why a relay cannot go to a node that has so many already, undefined where it can. Pure. */
const problemOf = (relay: RelayRow, node: NodeRow, there: number, { newIdentity }: MoveWord): string | undefined => {
  const { name } = relay
  if (relay.node_id === node.id) return `${name} is on node ${node.id} already`
  if (stateOf(node) === "waiting") return `node ${node.id} is not enabled. Let it in first: patela enable ${node.id}`
  if (node.relays_override !== null && there >= node.relays_override) {
    return `node ${node.id} has ${there} relays and is set to ${node.relays_override}. Raise that first: patela node set ` +
      `${node.id} relays ${there + 1}`
  }
  const fingerprints = fingerprintsOf(relay)
  if (fingerprints === null || newIdentity) return undefined
  return `${name} is ${fingerprints.rsa} to the Tor network, and only the TPM of node ${relay.node_id} has the keys of ` +
    `that. Keys do not move: on node ${node.id} it would start with new ones, as a relay that nobody knows, and node ` +
    `${relay.node_id} would drop the old ones for good. Say --new-identity if they may be lost`
}
