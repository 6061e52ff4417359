import type { HardwareSpecs } from "@patela/domain/node/HardwareSpecs"
import { Context, Effect, Layer, Option, Result } from "effect"
import { Audit } from "../audit/Audit.ts"
import { Generation } from "../generation/Generation.ts"
import type { NodeRow } from "../nodes/NodeRow.ts"
import { Nodes } from "../nodes/Nodes.ts"
import { Relays } from "../relays/Relays.ts"
import { RemovedRelays } from "../relays/RemovedRelays.ts"
import { Settings } from "../settings/Settings.ts"
import { asStoreFailed, type StoreFailed } from "../store/StoreFailed.ts"
import { makeTurn } from "../store/Turn.ts"
import { allocate, type PoolExhausted } from "./allocate.ts"
import { Pools } from "./Pools.ts"
import { relayCount } from "./relayCount.ts"

/** Gives a node its relays. */
export class Allocator extends Context.Service<Allocator, {
  /**
   * Stores the hardware and the relays that it calls for in one transaction, and answers with how many relays the node
   * has. Where a pool is exhausted, nothing of it is kept.
   */
  readonly allocate: (node: NodeRow, specs: HardwareSpecs) => Effect.Effect<number, PoolExhausted | StoreFailed>
  /**
   * Gives a node whose hardware is known the relays that it should have and has not: its number may have been raised since
   * it last said what hardware it has, which it does only with a new session. Mostly there is nothing to do.
   */
  readonly catchUp: (node: NodeRow) => Effect.Effect<void, PoolExhausted | StoreFailed>
}>()("@patela/server/allocate/Allocator") {
  static readonly layer = Layer.effect(
    Allocator,
    Effect.gen(function*() {
      const nodes = yield* Nodes
      const generation = yield* Generation
      const relays = yield* Relays
      const removed = yield* RemovedRelays
      const settings = yield* Settings
      const audit = yield* Audit
      const pools = yield* Pools

      const turn = yield* makeTurn("allocation")

      const reserved = Effect.map(settings.network, (network) =>
        new Set<string>(
          Option.match(network, {
            onNone: () => [],
            onSome: (
              { gateway_v4, gateway_v6, dns }
            ) => [gateway_v4, ...gateway_v6 === null ? [] : [gateway_v6], ...dns]
          })
        ))

      const inOneTransaction = Effect.fnUntraced(function*(node: NodeRow, specs: HardwareSpecs) {
        yield* turn.take
        // Not the row that the caller read: a relay may have been removed, and the node's number lowered, since.
        const now = Option.getOrElse(yield* nodes.find(node.id), () => node)
        // In this order: a relay that is removed between the two counts twice, and never not at all.
        const every = yield* relays.list
        const gone = yield* removed.names
        const mine = every.filter((relay) => relay.node_id === node.id)
        const added = allocate({
          wanted: relayCount(specs, pools.memoryBound, now.relays_override),
          slots: mine.map((relay) => relay.slot),
          taken: {
            names: new Set([...every.map((relay) => relay.name), ...gone]),
            addresses: new Set(every.flatMap(({ ip_v4, ip_v6 }) => ip_v6 === null ? [ip_v4] : [ip_v4, ip_v6]))
          },
          pools,
          reserved: yield* reserved
        })
        if (Result.isFailure(added)) return Result.fail(added.failure)
        yield* nodes.saveSpecs(node.id, specs)
        yield* relays.insert(node.id, added.success)
        if (added.success.length > 0) {
          yield* audit.record({
            who: `node ${node.id}`,
            what: "relays allocated",
            before: mine.map((relay) => relay.name).join(" "),
            after: [...mine, ...added.success].map((relay) => relay.name).join(" ")
          })
        }
        return Result.succeed(mine.length + added.success.length)
      }, generation.change)

      const allocateNow = Effect.fn("Allocator.allocate")(function*(node: NodeRow, specs: HardwareSpecs) {
        const outcome = yield* inOneTransaction(node, specs).pipe(turn.queue, asStoreFailed("allocate relays"))
        return yield* Effect.fromResult(outcome)
      })

      const catchUp = Effect.fn("Allocator.catchUp")(function*(node: NodeRow) {
        const specs = specsOf(node)
        if (specs === undefined) return
        const present = (yield* relays.ofNode(node.id)).length
        if (present < relayCount(specs, pools.memoryBound, node.relays_override)) yield* allocateNow(node, specs)
      })

      return Allocator.of({ allocate: allocateNow, catchUp })
    })
  )
}

/** The hardware that a node last reported. */
const specsOf = ({ agent_version, cpu_name, hostname, kernel, memory, n_cpus }: NodeRow): HardwareSpecs | undefined =>
  n_cpus === null || memory === null || cpu_name === null ? undefined : {
    n_cpus,
    memory,
    cpu_name,
    ...(hostname === null ? {} : { hostname }),
    ...(kernel === null ? {} : { kernel }),
    ...(agent_version === null ? {} : { agent_version })
  }
