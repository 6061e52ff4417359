import type { HardwareSpecs } from "@patela/domain/node/HardwareSpecs"
import type { NodeId } from "@patela/domain/node/NodeId"
import type { RelayName } from "@patela/domain/relay/RelayName"
import { Context, Effect, Layer, Result } from "effect"
import { Audit } from "../audit/Audit.ts"
import { Generation } from "../generation/Generation.ts"
import type { NodeRow } from "../nodes/NodeRow.ts"
import { Nodes } from "../nodes/Nodes.ts"
import { Relays } from "../relays/Relays.ts"
import { inGroups } from "../store/inGroups.ts"
import { sqlAsStoreFailed, StoreFailed } from "../store/StoreFailed.ts"
import { makeTurn } from "../store/Turn.ts"
import type { PoolExhausted } from "./allocate.ts"
import { allocateInTurn, type GivenToNodes } from "./allocateInTurn.ts"
import { AllocationSettings } from "./AllocationSettings.ts"
import { Holdings } from "./Holdings.ts"
import { Pools } from "./Pools.ts"
import { PoolSettings } from "./PoolSettings.ts"
import { relayCount, relaysByHardware } from "./relayCount.ts"

/** Gives a node its relays. */
export class Allocator extends Context.Service<Allocator, {
  /**
   * Stores the hardware and the relays that it calls for in one transaction, which others that ask just then share, and
   * answers with how many relays the node has. Where a pool is exhausted nothing of it is kept, but that it was, for people
   * to see. `clockAhead` is by how many seconds the node's clock is ahead.
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

      const allocateAll = Effect.fnUntraced(
        function*(asked: ReadonlyArray<Asked>) {
          yield* turn.take
          const ids = asked.map(({ node }) => node.id)
          // Not the rows that the callers read: a relay may have been removed, and a node's number lowered, since.
          const now = yield* nodes.findAll(ids)
          const { relays_per_address: perAddress, relays_per_node } = yield* rules.rules
          const present = Map.groupBy(yield* relays.ofNodes(ids), ({ node_id }) => node_id)
          const mine = (node: NodeId) => present.get(node) ?? []
          const needs = asked.map((one): Needs => {
            const row = now.get(one.node.id)
            const relays_by_hardware = relaysByHardware(one.specs, memoryBound)
            const wanted = row === undefined ? 0 : relayCount({ ...row, relays_by_hardware }, relays_per_node) ?? 0
            const missing = Math.max(0, wanted - mine(one.node.id).length)
            return { ...one, id: one.node.id, isThere: row !== undefined, relays_by_hardware, missing }
          })
          const given = needs.every(({ missing }) => missing === 0)
            ? NOTHING_GIVEN
            : allocateInTurn({
              needs,
              takenFor: yield* holdings.takenForEach(ids, mine),
              pools: yield* pools.all,
              perAddress
            })
          const kept = needs.flatMap((need) => {
            const added = given.get(need.id) ?? Result.succeed([])
            return need.isThere && Result.isSuccess(added) ? [{ ...need, added: added.success }] : []
          })
          yield* nodes.saveSpecs(kept.map(({ clockAhead, id, relays_by_hardware, specs }) => ({
            id,
            specs,
            relays_by_hardware,
            clock_ahead: clockAhead
          })))
          yield* relays.insert(kept.flatMap(({ added, id }) => added.map((relay) => ({ node_id: id, ...relay }))))
          yield* audit.recordAll(
            kept.filter(({ added }) => added.length > 0).map(({ added, id }) => ({
              who: `node ${id}`,
              what: "relays allocated",
              before: namesOf(mine(id)),
              after: namesOf([...mine(id), ...added])
            }))
          )
          return needs.map(({ id, isThere }): Outcome =>
            isThere
              ? Result.map(given.get(id) ?? Result.succeed([]), (added) => mine(id).length + added.length)
              : Result.fail(gone(id))
          )
        },
        generation.changeForAsker,
        sqlAsStoreFailed("allocate relays")
      )

      const ask = yield* inGroups({ keyOf: ({ node }: Asked) => node.id, run: allocateAll })

      const allocateNow = Effect.fn("Allocator.allocate")(function*(
        node: NodeRow,
        specs: HardwareSpecs,
        clockAhead?: number | null
      ) {
        const outcome = yield* ask({ node, specs, clockAhead })
        if (Result.isSuccess(outcome)) return outcome.success
        const { failure } = outcome
        if (failure._tag === "PoolExhausted" && node.allocation_refused !== failure.message) {
          // A step of its own: it is to stay, and nothing else of the failed one.
          yield* nodes.saveAllocationRefused(node.id, failure.message)
        }
        return yield* failure
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

/** What a node asks for. */
interface Asked {
  readonly node: NodeRow
  readonly specs: HardwareSpecs
  readonly clockAhead: number | null | undefined
}

/** What it comes to. */
interface Needs extends Asked {
  readonly id: NodeId
  /** A person may have removed it since it asked. */
  readonly isThere: boolean
  readonly relays_by_hardware: number
  readonly missing: number
}

const NOTHING_GIVEN: GivenToNodes = new Map()

type Outcome = Result.Result<number, PoolExhausted | StoreFailed>

const gone = (node: NodeId) => new StoreFailed({ message: `Node ${node} was removed while it asked for its relays` })

const namesOf = (relays: ReadonlyArray<{ readonly name: RelayName }>): string =>
  relays.map(({ name }) => name).join(" ")

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
