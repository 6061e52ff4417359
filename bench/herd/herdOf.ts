import { Context, Effect } from "effect"
import { Nodes } from "../../packages/server/src/nodes/Nodes.ts"
import { Relays } from "../../packages/server/src/relays/Relays.ts"
import type { House } from "./fleetHouse.ts"
import { NodeFault } from "./NodeClient.ts"
import { PlayedNode, RELAYS_OF_EACH } from "./PlayedNode.ts"
import { processorOf } from "./processor.ts"
import { Tally } from "./Tally.ts"

/** A herd that has booted; its nodes still follow their events. */
export interface Herd {
  readonly nodes: ReadonlyArray<PlayedNode>
  /** From the first request to the last node's being configured. */
  readonly seconds: number
  /** The same for each node, from the start of all. */
  readonly each: ReadonlyArray<number>
  /** Of the server, in seconds. */
  readonly processor: number
  readonly tally: Tally
}

const distinct = (values: ReadonlyArray<string>): boolean => new Set(values).size === values.length

/** What is wrong with what the nodes have, or undefined. */
const faultOf = (nodes: ReadonlyArray<PlayedNode>): string | undefined => {
  const relays = nodes.flatMap((node) => node.relays)
  if (nodes.some((node) => node.relays.length !== RELAYS_OF_EACH)) return "a node has not all of its relays"
  if (!distinct(relays.map(({ name }) => name))) return "two relays have one name"
  if (!distinct(relays.flatMap(({ ip_v4, ip_v6 }) => [ip_v4, ip_v6 ?? ""]))) return "two relays have one address"
  return undefined
}

/** Has these nodes boot at once, each over a connection of its own, and looks at what became of them. */
export const herdOf = Effect.fnUntraced(function*(house: House, from: number, to: number) {
  const tally = new Tally()
  const nodes = house.nodes.slice(from, to).map(({ tpm }) => new PlayedNode(house.at, tpm, tally))
  yield* Effect.addFinalizer(() => Effect.sync(() => nodes.forEach((node) => node.close())))
  const before = yield* processorOf(house.pid)
  const began = performance.now()
  const each = yield* Effect.promise(() =>
    Promise.all(nodes.map(async (node) => {
      // An error is counted where it happens, and the node is then not configured.
      await node.boot().catch(() => {})
      return (performance.now() - began) / 1000
    }))
  )
  const seconds = (performance.now() - began) / 1000
  const processor = (yield* processorOf(house.pid)) - before
  const fault = tally.errors[0] ?? faultOf(nodes)
  if (fault !== undefined) yield* Effect.logWarning(`${tally.errors.length} errors; ${fault}`)
  const stored = yield* Context.get(house.services, Relays).list
  const reported = (yield* Context.get(house.services, Nodes).list).filter(({ reported_at }) => reported_at !== null)
  if (tally.errors.length === 0 && fault !== undefined) return yield* new NodeFault({ message: fault })
  if (tally.errors.length === 0 && (stored.length !== to * RELAYS_OF_EACH || reported.length !== to)) {
    return yield* new NodeFault({
      message: `${stored.length} relays are stored, and ${reported.length} nodes reported`
    })
  }
  return { nodes, seconds, each, processor, tally } satisfies Herd
})
