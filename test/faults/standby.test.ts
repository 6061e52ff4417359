import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { unmigrated } from "../../packages/server/src/store/Store.ts"
import { forwarder } from "../../packages/server/test/rig/forwarder.ts"
import { postgresForFile } from "../../packages/server/test/rig/postgresForFile.ts"
import { postgresStandby } from "../../packages/server/test/rig/PostgresStandby.ts"
import { runningPatelaWith } from "../../packages/server/test/rig/runningPatela.ts"
import { POSTGRES_VARIABLE } from "../../packages/server/test/rig/testDatabase.ts"
import { bootingNodes, holdsAsTold, UNLIMITED } from "../src/faults/bootingNodes.ts"

const cluster = postgresForFile()

const NODES = 60
const TIMEOUT = 180_000

/** How many are done when the first PostgreSQL is killed. */
const KILLED_AFTER = 20

describe("a standby of PostgreSQL that takes over while 60 nodes boot", () => {
  it.live(
    "has all that anybody was answered, where commits wait for it, and the servers go on at it by themselves",
    () =>
      Effect.gen(function*() {
        const primary = cluster()
        const standby = yield* postgresStandby(primary)
        const at = (url: string) =>
          Effect.provide(Layer.fresh(unmigrated({ engine: "postgres", url: Redacted.make(url) })))
        // Without this the last answers of the first would be unknown to the second.
        yield* Effect.gen(function*() {
          const sql = yield* SqlClient.SqlClient
          yield* sql`ALTER SYSTEM SET synchronous_standby_names = '*'`
          yield* sql`SELECT pg_reload_conf()`
        }).pipe(at(primary.url("postgres")))
        const address = yield* forwarder(primary.port)
        process.env[POSTGRES_VARIABLE] =
          Object.assign(new URL(primary.url("postgres")), { port: String(address.port) }).href

        const house = yield* runningPatelaWith(UNLIMITED)
        const second = yield* house.start()
        const { boot, missed, whenDone } = yield* bootingNodes(house, [house.server.port, second.port])
        const takesOver = Effect.gen(function*() {
          yield* whenDone(KILLED_AFTER)
          yield* primary.kill
          yield* standby.promote
          yield* address.move(standby.cluster.port)
        })
        const [told] = yield* Effect.all([
          Effect.forEach(Array.from({ length: NODES }), (_, index) => boot(index), { concurrency: 30 }),
          takesOver
        ], { concurrency: "unbounded" })
        yield* Effect.logInfo(`${missed()} requests were asked again`)
        assert.isAbove(missed(), 0, "it was in use when it was killed")
        yield* holdsAsTold(house, told)
      }),
    TIMEOUT
  )
})
