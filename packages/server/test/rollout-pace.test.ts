import { assert, describe, it } from "@effect/vitest"
import type { NodeId } from "@patela/domain/node/NodeId"
import { Clock, Duration, Effect, Fiber, Option, Schema } from "effect"
import { TestClock } from "effect/testing"
import { Generation } from "../src/generation/Generation.ts"
import { Nodes } from "../src/nodes/Nodes.ts"
import { Rollout } from "../src/rollout/Rollout.ts"
import { runRollout } from "../src/rollout/runRollout.ts"
import { NetworkAdministration } from "../src/settings/NetworkAdministration.ts"
import { enabledMany, network } from "./rig/Fleet.ts"
import { testApi } from "./rig/TestApi.ts"

const minutes = Effect.map(Clock.currentTimeMillis, (millis) => millis / 60_000)

/** What an agent says half a minute after it was told, or that it took the configuration back. */
const report = Effect.fnUntraced(function*(id: NodeId, rolled_back: string | null = null) {
  const generation = yield* (yield* Generation).current
  yield* (yield* Nodes).saveReports([{ node: id, report: { generation, rolled_back, relays: [], tor_version: null } }])
})

const held = (count: number) =>
  Effect.gen(function*() {
    yield* (yield* NetworkAdministration).set("test", network)
    const nodes = yield* enabledMany(count)
    yield* (yield* Rollout).begin("test")
    return nodes.map(({ id }) => id)
  })

/** Runs a rollout, with agents that report half a minute after their release: when which were released. */
const running = Effect.fnUntraced(function*(nodes: number, pause: number) {
  const releases: Array<readonly [number, number]> = []
  const fiber = yield* runRollout({
    who: "test",
    nodes,
    within: Duration.minutes(5),
    pause: Duration.minutes(pause),
    tell: (step) =>
      "pausing" in step ? Effect.void : Effect.gen(function*() {
        releases.push([yield* minutes, step.released.length])
        yield* Effect.sleep("30 seconds")
        yield* Effect.forEach(step.released, (id) => Effect.orDie(report(id)), { discard: true })
      })
  }).pipe(Effect.forkChild)
  return { fiber, releases }
})

/** Lets time pass, in steps that the database keeps up with. */
const pass = Effect.fnUntraced(function*(many: number, step: Duration.Input = "30 seconds") {
  for (let at = 0; at < many; at += 1) {
    yield* TestClock.adjust(step)
    yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
  }
})

describe("the pace of a rollout", () => {
  it.effect.prop(
    "law: between two releases are as many minutes as were asked for, and no more than the nodes take else",
    [Schema.Literals([1, 2, 5]), Schema.Literals([1, 2, 3]), Schema.Literals([0, 1, 10])],
    ([count, nodes, pause]) =>
      Effect.gen(function*() {
        yield* held(count)
        const { fiber, releases } = yield* running(nodes, pause)
        yield* pass(2 * (count + 1) * (pause + 1))
        assert.isDefined(fiber.pollUnsafe(), "it has ended")
        assert.isTrue(Option.isNone(yield* (yield* Rollout).standing))
        assert.lengthOf(releases, Math.ceil(count / nodes))
        assert.strictEqual(releases.reduce((sum, [, some]) => sum + some, 0), count)
        const gap = Math.max(pause, 0.5)
        for (const [at, [when]] of releases.entries()) {
          if (at > 0) assert.closeTo(when - (releases[at - 1]?.[0] ?? 0), gap, 0.51)
          if (at > 0) assert.isAtLeast(when - (releases[at - 1]?.[0] ?? 0), gap)
        }
      }).pipe(Effect.provide(testApi())),
    { arbitrary: { runs: 10 } }
  )

  it.effect("stops where a node took the configuration back in the pause, and nobody else was released", () =>
    Effect.gen(function*() {
      const [first] = yield* held(2)
      if (first === undefined) return assert.fail()
      const { fiber, releases } = yield* running(1, 10)
      yield* pass(10)
      yield* report(first, "its server was cut off")
      yield* pass(20)
      assert.deepInclude(yield* Effect.flip(Fiber.join(fiber)), { _tag: "RolloutStopped", node: 1 })
      assert.lengthOf(releases, 1)
    }).pipe(Effect.provide(testApi())))

  it.effect("is kept by a second run too, that begins in the pause of the first", () =>
    Effect.gen(function*() {
      yield* held(3)
      const first = yield* running(1, 10)
      yield* pass(8)
      yield* Fiber.interrupt(first.fiber)
      const second = yield* running(1, 10)
      yield* pass(50)
      const times = [...first.releases, ...second.releases].map(([when]) => when)
      assert.lengthOf(times, 3)
      assert.deepStrictEqual(times.map((when) => Math.round(when - (times[0] ?? 0))), [0, 10, 20])
    }).pipe(Effect.provide(testApi())))
})
