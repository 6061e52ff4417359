import type { HardwareSpecs } from "@patela/domain/node/HardwareSpecs"
import { Context, Effect, Layer, Option, Result } from "effect"
import { Audit } from "../audit/Audit.ts"
import { Generation } from "../generation/Generation.ts"
import type { NodeRow } from "../nodes/NodeRow.ts"
import { Nodes } from "../nodes/Nodes.ts"
import { Relays } from "../relays/Relays.ts"
import { asStoreFailed, type StoreFailed } from "../store/StoreFailed.ts"
import { makeTurn } from "../store/Turn.ts"
import { allocate, type PoolExhausted } from "./allocate.ts"
import { AllocationSettings } from "./AllocationSettings.ts"
import { Holdings } from "./Holdings.ts"
import { Pools } from "./Pools.ts"
import { PoolSettings } from "./PoolSettings.ts"
import { relayCount, relaysByHardware } from "./relayCount.ts"

/** Gives a node its relays. */
export class Allocator extends Context.Service<Allocator, {
  /**
   * Stores the hardware and the relays that it calls for in one transaction, and answers with how many relays the node
   * has. Where a pool is exhausted nothing of it is kept, but that it was, for people to see. `clockAhead` is by how many
   * seconds the node's clock is ahead.
   */
  readonly allocate: (
    node: NodeRow,
    specs: HardwareSpecs,
    clockAhead?: number | null
  ) => Effect.Effect<number, PoolExhausted | StoreFailed>
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
      const holdings = yield* Holdings
      const pools = yield* Pools
      const rules = yield* AllocationSettings
      const audit = yield* Audit
      const { memoryBound } = yield* PoolSettings
      const turn = yield* makeTurn("allocation")

      const inOneTransaction = Effect.fnUntraced(function*(
        node: NodeRow,
        specs: HardwareSpecs,
        clockAhead?: number | null
      ) {
        yield* turn.take
        // Not the row that the caller read: a relay may have been removed, and the node's number lowered, since.
        const now = Option.getOrElse(yield* nodes.find(node.id), () => node)
        const relays_by_hardware = relaysByHardware(specs, memoryBound)
        const { relays_per_address, relays_per_node } = yield* rules.rules
        const wanted = relayCount({ ...now, relays_by_hardware }, relays_per_node) ?? 0
        const mine = yield* relays.ofNode(node.id)
        const missing = Math.max(0, wanted - mine.length)
        const added = missing === 0 ? Result.succeed([]) : allocate({
          missing,
          taken: yield* holdings.takenFor(node.id),
          pools: yield* pools.all,
          perAddress: relays_per_address
        })
        if (Result.isFailure(added)) return Result.fail(added.failure)
        yield* nodes.saveSpecs(node.id, specs, relays_by_hardware, clockAhead)
        if (now.allocation_refused !== null) yield* nodes.saveAllocationRefused(node.id, null)
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
      }, generation.changeForAsker)

      const allocateNow = Effect.fn("Allocator.allocate")(function*(
        node: NodeRow,
        specs: HardwareSpecs,
        clockAhead?: number | null
      ) {
        const outcome = yield* inOneTransaction(node, specs, clockAhead).pipe(
          turn.queue,
          asStoreFailed("allocate relays")
        )
        if (Result.isFailure(outcome) && node.allocation_refused !== outcome.failure.message) {
          // A step of its own: it is to stay, and nothing else of the failed one.
          yield* nodes.saveAllocationRefused(node.id, outcome.failure.message)
        }
        return yield* Effect.fromResult(outcome)
      })

      const catchUp = Effect.fn("Allocator.catchUp")(function*(node: NodeRow) {
        const specs = specsOf(node)
        if (specs === undefined) return
        const present = (yield* relays.ofNode(node.id)).length
        const relays_by_hardware = relaysByHardware(specs, memoryBound)
        const wanted = relayCount({ ...node, relays_by_hardware }, (yield* rules.rules).relays_per_node) ?? 0
        // Also where it is refused no more, for it wants no more.
        if (present < wanted || node.allocation_refused !== null) yield* allocateNow(node, specs)
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
