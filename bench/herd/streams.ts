import { Context, Effect } from "effect"
import { TorrcLayers } from "../../packages/server/src/torrc/TorrcLayers.ts"
import type { House } from "./fleetHouse.ts"
import type { PlayedNode } from "./PlayedNode.ts"
import { memoryOf, processorOf } from "./processor.ts"

/** For how long streams are left at rest, in seconds: two heartbeats of each. */
const REST = 30

/** Many open streams: at rest, and when the configuration changes. */
export interface Streams {
  /** Processor time of the server at rest, in seconds an hour. */
  readonly restPerHour: number
  /** Of the server then, in MiB. */
  readonly restMemory: number
  /** From the call that changes the default torrc, in another process, to the last node's event, in milliseconds. */
  readonly fanout: number
  /** From then until each has read the configuration anew, and reported, in seconds. */
  readonly reading: number
}

const changed = (house: House, lines: string) =>
  Context.get(house.services, TorrcLayers).import("bench", { of: "default" }, lines)

/** The streams of nodes that booted. */
export const streamsOf = Effect.fnUntraced(function*(house: House, nodes: ReadonlyArray<PlayedNode>) {
  const before = yield* processorOf(house.pid)
  yield* Effect.sleep(REST * 1000)
  const restPerHour = ((yield* processorOf(house.pid)) - before) * 3600 / REST
  const restMemory = yield* memoryOf(house.pid, "VmRSS")

  const heard = Promise.all(nodes.map((node) => new Promise<void>((resolve) => (node.heard = () => resolve()))))
  const start = performance.now()
  yield* changed(house, "ContactInfo changed@example.org\n")
  yield* Effect.promise(() => heard)
  const fanout = performance.now() - start
  for (const node of nodes) node.heard = () => {}
  yield* Effect.promise(() => Promise.all(nodes.map((node) => node.follows().catch(() => {}))))
  const reading = (performance.now() - start - fanout) / 1000
  return { restPerHour, restMemory, fanout, reading } satisfies Streams
})
