import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Layer, Redacted } from "effect"
import { SqlClient, SqlError } from "effect/sql"
import { TestClock } from "effect/testing"
import { StoreServicesNoDatabase } from "../../src/commands/StoreServices.ts"
import { Nodes } from "../../src/nodes/Nodes.ts"
import { layerOf } from "../../src/store/Store.ts"
import { eventually } from "../rig/eventually.ts"
import { enlistMany, node1 } from "../rig/Fleet.ts"
import { forwarder } from "../rig/forwarder.ts"
import { pgBouncer } from "../rig/PgBouncer.ts"
import { postgresForFile } from "../rig/postgresForFile.ts"
import { temporaryDirectory } from "../rig/temporaryDirectory.ts"
import { testDatabase } from "../rig/testDatabase.ts"

const cluster = postgresForFile()

/** Milliseconds of real time. */
const TIMEOUT = 60_000

/** A second of the test's clock in so many milliseconds of real time, until the scope ends: connecting has limits too. */
const timePasses = (milliseconds: number) =>
  Effect.promise(() => new Promise((resolve) => setTimeout(resolve, milliseconds))).pipe(
    Effect.andThen(TestClock.adjust("1 second")),
    Effect.forever,
    Effect.forkScoped
  )

/** A server whose way to PostgreSQL, or to the pooler before it, may be cut. */
const server = Effect.fnUntraced(function*(through: "alone" | "pooled") {
  const { url } = yield* testDatabase(yield* temporaryDirectory)
  const first = through === "alone" ? url : yield* pgBouncer(url)
  const way = yield* forwarder(Number(new URL(first).port))
  const database = {
    engine: "postgres",
    url: Redacted.make(Object.assign(new URL(first), { port: String(way.port) }).href),
    ...through === "alone" ? {} : { direct: Redacted.make(url) }
  } as const
  const services = yield* Layer.build(Layer.fresh(Layer.provideMerge(StoreServicesNoDatabase, layerOf(database))))
  yield* Effect.provide(enlistMany(1), services)
  return { way, sql: Context.get(services, SqlClient.SqlClient), nodes: Context.get(services, Nodes) }
})

describe("a server whose way to PostgreSQL is cut without a word", () => {
  for (const through of ["alone", "pooled"] as const) {
    it.effect(
      `says so in time, and goes on over other connections when it is there again, ${through}`,
      () =>
        Effect.gen(function*() {
          assert.isAtLeast(cluster().port, 1)
          const { nodes, sql, way } = yield* server(through)
          const asked: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
            ...Array.from({ length: 5 }, () => sql`SELECT 1`),
            sql`UPDATE nodes SET epoch = epoch + 1`,
            sql.withTransaction(sql`UPDATE nodes SET epoch = epoch + 1`)
          ]
          // So that there is a connection for each.
          yield* Effect.all(asked, { concurrency: "unbounded" })
          const before = (yield* nodes.list).map(({ epoch }) => epoch)

          yield* way.cutOff(true)
          const waiting = yield* Effect.forEach(
            asked,
            (ask) => Effect.forkScoped(Effect.flip(ask), { startImmediately: true })
          )
          const heardBy = through === "alone" ? 3 : asked.length
          yield* eventually("all to be asked", () => way.unheard() >= heardBy, 30_000)
          const errors = yield* Effect.scoped(
            Effect.andThen(timePasses(10), Effect.forEach(waiting, Fiber.join))
          )
          for (const error of errors) {
            assert.isTrue(SqlError.isSqlError(error) && error.reason._tag === "ConnectionError", String(error))
          }
          const unanswered = errors.filter((error) => /no answer within 60 s/.test(String(error)))
          assert.isAtLeast(unanswered.length, asked.length - 1, errors.join("\n"))

          yield* way.cutOff(false)
          // A connection that was begun before is waited for once more.
          yield* timePasses(200)
          for (const ask of asked) yield* Effect.retry(ask, { times: 3 })
          assert.deepStrictEqual((yield* nodes.list).map(({ epoch }) => epoch), before.map((epoch) => epoch + 2))
          yield* nodes.find(node1)
        }),
      TIMEOUT
    )
  }
})
