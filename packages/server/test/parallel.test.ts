import { assert, describe, it } from "@effect/vitest"
import { NodeId } from "@patela/domain/node/NodeId"
import { Effect, Result } from "effect"
import { Allocator } from "../src/allocate/Allocator.ts"
import { Administration } from "../src/nodes/Administration.ts"
import { Nodes } from "../src/nodes/Nodes.ts"
import { Relays } from "../src/relays/Relays.ts"
import { enlistMany } from "./rig/Fleet.ts"
import { testApi } from "./rig/TestApi.ts"

const specs = { n_cpus: 4, memory: 64 * 1024 ** 3, cpu_name: "test" }

describe("many nodes at the same time", () => {
  it.effect("get relays of their own, and a node that asks twice at once the same", () =>
    Effect.gen(function*() {
      const machines = yield* enlistMany(20)
      const { allocate } = yield* Allocator
      const counts = yield* Effect.forEach([...machines, ...machines], (node) => allocate(node, specs), {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(new Set(counts), new Set([4]))
      const relays = yield* (yield* Relays).list
      assert.strictEqual(relays.length, 80)
      assert.strictEqual(new Set(relays.map((relay) => relay.name)).size, 80)
      assert.strictEqual(new Set(relays.map((relay) => relay.ip_v4)).size, 80)
    }).pipe(Effect.provide(testApi())))

  it.effect("share a pool that is too small: whoever is refused has nothing", () =>
    Effect.gen(function*() {
      const machines = yield* enlistMany(10)
      const { allocate } = yield* Allocator
      const outcomes = yield* Effect.forEach(machines, (node) => Effect.result(allocate(node, specs)), {
        concurrency: "unbounded"
      })
      const refused = outcomes.filter(Result.isFailure)
      assert.strictEqual(refused.length, 7, "14 addresses are for three nodes of four relays")
      const relays = yield* (yield* Relays).list
      assert.strictEqual(relays.length, 12)
      const withHardware = (yield* (yield* Nodes).list).filter((node) => node.n_cpus !== null)
      assert.strictEqual(withHardware.length, 3)
    }).pipe(Effect.provide(testApi({ PATELA_FIRST_V4: "192.0.2.1", PATELA_PREFIX_V4: "28" }))))

  it.effect("a node whose hardware shrank keeps its relays, and the operator's number goes first", () =>
    Effect.gen(function*() {
      const [node] = yield* enlistMany(1)
      if (node === undefined) return assert.fail("no node")
      const { allocate } = yield* Allocator
      const administration = yield* Administration
      assert.strictEqual(yield* allocate(node, specs), 4)
      assert.strictEqual(yield* allocate(node, { ...specs, n_cpus: 1 }), 4)
      yield* administration.set("test", NodeId.make(1), "relays", "6")
      assert.strictEqual(yield* allocate(yield* administration.node(NodeId.make(1)), specs), 6)
    }).pipe(Effect.provide(testApi())))
})
