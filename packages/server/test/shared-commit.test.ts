import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { DatabaseSync } from "node:sqlite"
import * as SqliteClient from "../src/store/SqliteClient.ts"
import { runs } from "./rig/runs.ts"
import { temporaryDirectory } from "./rig/temporaryDirectory.ts"

const house = Effect.gen(function*() {
  const path = `${yield* temporaryDirectory}/store.db`
  const services = yield* Layer.build(SqliteClient.layer(path))
  // What others see, for whom only what is committed is there.
  const other = yield* Effect.acquireRelease(
    Effect.sync(() => new DatabaseSync(path, { readOnly: true })),
    (database) => Effect.sync(() => database.close())
  )
  const seen = () => other.prepare("SELECT id FROM t ORDER BY id").all().map(({ id }) => Number(id))
  return { services, seen }
})

const table = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE t (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES t (id) DEFERRABLE INITIALLY DEFERRED)`
  return sql
})

const add = (sql: SqlClient.SqlClient, id: number, parent: number | null = null) =>
  sql`INSERT INTO t ${sql.insert({ id, parent })}`

const Step = Schema.Literals(["a write", "a transaction", "one within another", "one that fails", "a read", "a double"])

describe("commits that are shared", () => {
  it.effect.prop(
    "law: who is told of a change can rely on it, and what failed left nothing",
    [Schema.Array(Step).pipe(Schema.check(Schema.isMaxLength(30)))],
    ([steps]) =>
      Effect.scoped(Effect.gen(function*() {
        const { seen, services } = yield* house
        yield* Effect.gen(function*() {
          const sql = yield* table
          yield* add(sql, -1)
          const kept = yield* Effect.forEach(steps, (step, at) =>
            Effect.gen(function*() {
              if (step === "a read") {
                const rows = yield* sql`SELECT id FROM t ORDER BY id`
                // Whatever was read is on disk by now.
                const now = seen()
                assert.isTrue(rows.every(({ id }) => now.includes(Number(id))))
                return []
              }
              const failing = step === "one that fails" || step === "a double"
              const inner = step === "a double" ? Effect.andThen(add(sql, at), add(sql, -1)) : add(sql, at)
              const done = yield* Effect.exit(
                step === "a write" ? inner : sql.withTransaction(Effect.gen(function*() {
                  if (step === "one within another") yield* sql.withTransaction(inner)
                  else yield* inner
                  yield* Effect.yieldNow
                  if (step === "one that fails") return yield* Effect.fail("no")
                }))
              )
              assert.strictEqual(Exit.isFailure(done), failing)
              if (!failing) assert.include(seen(), at)
              return failing ? [] : [at]
            }), { concurrency: "unbounded" })
          assert.deepStrictEqual(seen(), [-1, ...kept.flat()])
        }).pipe(Effect.provide(services))
      })),
    runs(100)
  )

  it.effect("fail all where the commit does, and the next is well", () =>
    Effect.gen(function*() {
      const { seen, services } = yield* house
      yield* Effect.gen(function*() {
        const sql = yield* table
        // A reference to nothing is found at the commit, as a disk that is full would be.
        const steps = [add(sql, 1), sql.withTransaction(add(sql, 2, 77)), sql`SELECT id FROM t`, add(sql, 3)]
        const done = yield* Effect.all(steps.map(Effect.exit), { concurrency: "unbounded" })
        assert.deepStrictEqual(done.map(Exit.isFailure), [true, true, true, true])
        assert.deepStrictEqual(seen(), [])
        yield* Effect.all([add(sql, 4), sql.withTransaction(add(sql, 5))], { concurrency: "unbounded" })
        assert.deepStrictEqual(seen(), [4, 5])
      }).pipe(Effect.provide(services))
    }))

  it.effect("are what was done in one turn", () =>
    Effect.gen(function*() {
      const { seen, services } = yield* house
      yield* Effect.gen(function*() {
        const sql = yield* table
        const sizes: Array<number> = []
        const one = (id: number) => Effect.tap(add(sql, id), () => Effect.sync(() => sizes.push(seen().length)))
        yield* Effect.forEach(Array.from({ length: 50 }, (_, id) => id), one, { concurrency: "unbounded" })
        // The first that hears of its own hears of all.
        assert.deepStrictEqual(sizes, Array.from({ length: 50 }, () => 50))
      }).pipe(Effect.provide(services))
    }))

  it.effect("are done before what can be in no transaction", () =>
    Effect.gen(function*() {
      const { seen, services } = yield* house
      yield* Effect.gen(function*() {
        const sql = yield* table
        yield* Effect.all([add(sql, 1), sql`VACUUM`, add(sql, 2)], { concurrency: "unbounded" })
        assert.deepStrictEqual(seen(), [1, 2])
      }).pipe(Effect.provide(services))
    }))
})
