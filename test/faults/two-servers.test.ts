import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { postgresForFile } from "../../packages/server/test/rig/postgresForFile.ts"
import { runningPatelaWith } from "../../packages/server/test/rig/runningPatela.ts"
import { bootingNodes, holdsAsTold, UNLIMITED } from "../src/faults/bootingNodes.ts"

postgresForFile()

const NODES = 200
const TIMEOUT = 180_000

/** How many nodes are at it at a time: as a rack that is switched on. */
const AT_ONCE = 50

/** How many are done when the server is killed. */
const KILLED_AFTER = 60

describe("two servers at one PostgreSQL, one of which is killed while 200 nodes boot", () => {
  it.live("configure every node, lose nothing and allocate nothing twice", () =>
    Effect.gen(function*() {
      const house = yield* runningPatelaWith(UNLIMITED)
      const second = yield* house.start()
      const { boot, missed, whenDone } = yield* bootingNodes(house, [house.server.port, second.port])

      const began = performance.now()
      const [told] = yield* Effect.all([
        Effect.forEach(Array.from({ length: NODES }), (_, index) => boot(index), { concurrency: AT_ONCE }),
        Effect.andThen(whenDone(KILLED_AFTER), house.server.kill)
      ], { concurrency: "unbounded" })
      yield* Effect.logInfo(
        `${NODES} nodes in ${
          ((performance.now() - began) / 1000).toFixed(1)
        } s; ${missed()} requests went to the other server`
      )
      assert.isAbove(missed(), 0, "the server was in use when it was killed")
      yield* holdsAsTold(house, told)
    }), TIMEOUT)
})
