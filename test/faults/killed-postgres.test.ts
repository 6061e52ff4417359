import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { eventually } from "../../packages/server/test/rig/eventually.ts"
import { postgresForFile } from "../../packages/server/test/rig/postgresForFile.ts"
import { runningPatelaWith } from "../../packages/server/test/rig/runningPatela.ts"
import { bootingNodes, holdsAsTold, UNLIMITED } from "../src/faults/bootingNodes.ts"

const cluster = postgresForFile()

const NODES = 50
const TIMEOUT = 180_000

/** How many are done when PostgreSQL is killed, each time. */
const KILLED_AFTER = [5, 15, 30]

describe("a PostgreSQL that is killed three times while 50 nodes boot", () => {
  it.live(
    "has lost nothing and gives nothing twice, and its two servers go on by themselves",
    () =>
      Effect.gen(function*() {
        const house = yield* runningPatelaWith(UNLIMITED)
        const second = yield* house.start()
        const { boot, missed, whenDone } = yield* bootingNodes(house, [house.server.port, second.port])
        const { kill, start } = cluster()
        const killing = Effect.forEach(KILLED_AFTER, (count) =>
          Effect.gen(function*() {
            yield* whenDone(count)
            const before = missed()
            yield* kill
            yield* eventually("somebody misses it", () => missed() > before, 30_000)
            yield* start
          }), { discard: true })
        const [told] = yield* Effect.all([
          Effect.forEach(Array.from({ length: NODES }), (_, index) => boot(index), { concurrency: "unbounded" }),
          killing
        ], { concurrency: "unbounded" })
        yield* Effect.logInfo(`${missed()} requests were asked again`)
        assert.isAtLeast(missed(), KILLED_AFTER.length)
        yield* holdsAsTold(house, told)
      }),
    TIMEOUT
  )
})
