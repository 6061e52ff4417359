import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Layer, Stream } from "effect"
import { SqlClient, SqlError } from "effect/sql"
import { StoreServicesNoDatabase } from "../../src/commands/StoreServices.ts"
import { Nodes } from "../../src/nodes/Nodes.ts"
import { layerOf } from "../../src/store/Store.ts"
import { enlistMany, node1 } from "../rig/Fleet.ts"
import { postgresForFile } from "../rig/postgresForFile.ts"
import { temporaryDirectory } from "../rig/temporaryDirectory.ts"
import { testDatabase } from "../rig/testDatabase.ts"

postgresForFile()

const server = Effect.gen(function*() {
  const { database } = yield* testDatabase(yield* temporaryDirectory)
  const opened = Layer.build(Layer.fresh(Layer.provideMerge(StoreServicesNoDatabase, layerOf(database))))
  return { one: yield* opened, other: yield* opened }
})

/** Until several statements wait for a lock. Not asked within a transaction, which sees the same for as long as it lasts. */
const untilBlocked = Effect.fnUntraced(function*(sql: SqlClient.SqlClient) {
  for (let blocked = 0; blocked < 5;) {
    const [row] = yield* sql`SELECT COUNT(*) AS blocked FROM pg_stat_activity
      WHERE datname = current_database() AND wait_event_type = 'Lock'`
    blocked = Number(row?.["blocked"])
  }
})

describe("the connections of a server", () => {
  it.live("are there for reads, whatever waits for the locks of another", () =>
    Effect.gen(function*() {
      const { one, other } = yield* server
      yield* Effect.provide(enlistMany(1), one)
      const nodes = Context.get(one, Nodes)
      const theirs = Context.get(other, SqlClient.SqlClient)
      const waiting = yield* theirs.withTransaction(Effect.gen(function*() {
        yield* theirs`UPDATE nodes SET epoch = epoch + 1 WHERE id = ${node1}`
        const writers = yield* Effect.forEach(Array.from({ length: 30 }), () =>
          Effect.forkChild(nodes.startEpoch(node1), { startImmediately: true }))
        yield* Effect.timeout(untilBlocked(Context.get(one, SqlClient.SqlClient)), "30 seconds")
        const reads = Effect.forEach(Array.from({ length: 200 }), () =>
          nodes.find(node1), { concurrency: "unbounded" })
        assert.strictEqual((yield* Effect.timeout(reads, "30 seconds")).length, 200)
        return writers
      }))
      yield* Effect.forEach(waiting, Fiber.join)
      assert.deepStrictEqual((yield* nodes.list).map(({ epoch }) => epoch), [32])
    }))

  it.effect("commit nothing of a transaction in which a statement failed, also where the step goes on", () =>
    Effect.gen(function*() {
      const { one } = yield* server
      yield* Effect.provide(enlistMany(1), one)
      const sql = Context.get(one, SqlClient.SqlClient)
      const failed = yield* Effect.flip(sql.withTransaction(
        Effect.andThen(Context.get(one, Nodes).startEpoch(node1), Effect.ignore(sql`SELECT 1 / 0`))
      ))
      assert.isTrue(SqlError.isSqlError(failed))
      assert.deepStrictEqual((yield* Context.get(one, Nodes).list).map(({ epoch }) => epoch), [1])
    }))

  it.effect("give rows in every form, within a transaction and without one", () =>
    Effect.gen(function*() {
      const { one } = yield* server
      const sql = Context.get(one, SqlClient.SqlClient)
      const rows = Effect.map(sql`SELECT generate_series(1, 5) AS at`, (found) => found.map(({ at }) => at))
      const values = Effect.map(sql`SELECT generate_series(1, 5) AS at`.values, (found) => found.flat())
      const streamed = Stream.runCollect(Stream.map(sql`SELECT generate_series(1, 5) AS at`.stream, ({ at }) => at))
      const each = [rows, values, streamed]
      for (const found of [...each, ...each.map((one) => sql.withTransaction(one))]) {
        assert.deepStrictEqual(yield* found, [1, 2, 3, 4, 5])
      }
    }))
})
