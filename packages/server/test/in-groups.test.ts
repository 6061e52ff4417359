import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, Schema, Scope } from "effect"
import { SqlClient, SqlError } from "effect/sql"
import { inGroups } from "../src/store/inGroups.ts"
import { layerOf } from "../src/store/Store.ts"
import { sqlAsStoreFailed, StoreFailed } from "../src/store/StoreFailed.ts"
import { runs } from "./rig/runs.ts"
import { temporaryDirectory } from "./rig/temporaryDirectory.ts"
import { testDatabase } from "./rig/testDatabase.ts"

/** One that counts up the number of its key; `fault` says how that fails. */
const Item = Schema.Struct({
  key: Schema.Literals(["a", "b", "c", "d"]),
  fault: Schema.Literals(["none", "refused", "dies"])
})
type Item = typeof Item.Type

const together = { concurrency: "unbounded" } as const

const house = Effect.gen(function*() {
  const { database } = yield* testDatabase(yield* temporaryDirectory)
  const [here, elsewhere] = [
    yield* Layer.build(Layer.fresh(layerOf(database))),
    yield* Layer.build(Layer.fresh(layerOf(database)))
  ]
  return { here, elsewhere }
})

const store = Layer.unwrap(
  Effect.map(Effect.flatMap(temporaryDirectory, testDatabase), ({ database }) => layerOf(database))
)

/** Counts up in a table of its own, which goes with the scope; `runs` are the groups that were tried. */
const counting = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE counted (name TEXT PRIMARY KEY, value INTEGER NOT NULL CHECK (value >= 0))`
  yield* Effect.addFinalizer(() => Effect.ignore(sql`DROP TABLE counted`))
  const tried: Array<ReadonlyArray<Item>> = []
  const one = Effect.fnUntraced(function*({ fault, key }: Item) {
    if (fault === "refused") yield* sql`INSERT INTO counted (name, value) VALUES ('no', -1)`
    if (fault === "dies") return yield* Effect.die(new Error("a defect"))
    const rows = yield* sql`INSERT INTO counted (name, value) VALUES (${key}, 1)
      ON CONFLICT (name) DO UPDATE SET value = counted.value + 1 RETURNING value`
    return Number(rows[0]?.["value"])
  })
  const run = (items: ReadonlyArray<Item>) =>
    Effect.forEach(items, one).pipe(
      sql.withTransaction,
      sqlAsStoreFailed("count"),
      (counted) =>
        Effect.suspend(() => {
          tried.push(items)
          return counted
        })
    )
  const values = Effect.map(
    sql`SELECT name, value FROM counted ORDER BY name`,
    (rows) => new Map(rows.map(({ name, value }) => [String(name), Number(value)]))
  )
  return { tried, run, values, ask: yield* inGroups({ keyOf: ({ key }: Item) => key, run }) }
})

describe("what is done in groups", () => {
  it.effect.prop(
    "law: comes to what it would come to one after another, and nobody fails for another's sake",
    [Schema.Array(Item).pipe(Schema.check(Schema.isMaxLength(20)))],
    ([items]) =>
      Effect.scoped(Effect.gen(function*() {
        const { elsewhere, here } = yield* house
        yield* Effect.gen(function*() {
          const { ask, tried, values } = yield* counting
          const seen = Effect.flatMap(SqlClient.SqlClient, (sql) => sql`SELECT value FROM counted WHERE value > 0`)
          const exits = yield* Effect.forEach(items, (item) =>
            Effect.gen(function*() {
              const exit = yield* Effect.exit(ask(item))
              // Whoever is answered can rely on it: others see it.
              if (Exit.isSuccess(exit)) assert.isAbove((yield* Effect.provide(seen, elsewhere)).length, 0)
              return exit
            }), together)
          const expected = new Map<string, number>()
          for (const [index, { fault, key }] of items.entries()) {
            const exit = exits[index]
            if (exit === undefined) return assert.fail("no answer")
            assert.strictEqual(Exit.isSuccess(exit), fault === "none")
            if (fault !== "none" || Exit.isFailure(exit)) continue
            expected.set(key, (expected.get(key) ?? 0) + 1)
            assert.strictEqual(exit.value, expected.get(key), "of one key in the order of asking")
          }
          assert.deepStrictEqual(yield* values, new Map([...expected].toSorted()))
          for (const group of tried) assert.strictEqual(new Set(group.map(({ key }) => key)).size, group.length)
        }).pipe(Effect.scoped, Effect.provide(here))
      })),
    runs(40)
  )

  it.effect("is one transaction for all who come while another is under way", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const gate = yield* Deferred.make<void>()
      const groups: Array<number> = []
      const ask = yield* inGroups({
        keyOf: (item: number) => item,
        run: (items: ReadonlyArray<number>) =>
          sql.withTransaction(Effect.gen(function*() {
            groups.push(items.length)
            yield* Deferred.await(gate)
            return items
          }))
      })
      const first = yield* Effect.forkChild(ask(0))
      while (groups.length === 0) yield* Effect.yieldNow
      const others = yield* Effect.forEach(
        Array.from({ length: 150 }, (_, index) => index + 1),
        (item) => Effect.forkChild(ask(item), { startImmediately: true })
      )
      // The second of them goes away while it waits.
      const left = others[1]
      if (left === undefined) return assert.fail("nobody asked")
      yield* Fiber.interrupt(left)
      yield* Deferred.succeed(gate, undefined)
      assert.strictEqual(yield* Fiber.join(first), 0)
      const rest = others.filter((other) => other !== left)
      assert.deepStrictEqual(
        yield* Effect.forEach(rest, Fiber.join),
        Array.from({ length: 150 }, (_, index) => index + 1).filter((item) => item !== 2)
      )
      assert.deepStrictEqual(groups, [1, 64, 64, 21])
    }).pipe(Effect.provide(store)))

  it.effect("goes on for the others where the one who began it goes away", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const [begun, gate] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const ask = yield* inGroups({
        keyOf: (item: number) => item,
        run: (items: ReadonlyArray<number>) =>
          sql.withTransaction(
            Effect.as(Effect.andThen(Deferred.succeed(begun, undefined), Deferred.await(gate)), items)
          )
      })
      const first = yield* Effect.forkChild(ask(0))
      yield* Deferred.await(begun)
      const second = yield* Effect.forkChild(ask(1), { startImmediately: true })
      yield* Fiber.interrupt(first)
      yield* Deferred.succeed(gate, undefined)
      assert.strictEqual(yield* Fiber.join(second), 1)
    }).pipe(Effect.provide(store)))

  it.effect("leaves nobody waiting where the server ends", () =>
    Effect.gen(function*() {
      const begun = yield* Deferred.make<void>()
      const scope = yield* Scope.make()
      const ask = yield* Scope.provide(
        inGroups({
          keyOf: (item: number) => item,
          run: (items: ReadonlyArray<number>) =>
            Effect.as(Effect.andThen(Deferred.succeed(begun, undefined), Effect.never), items)
        }),
        scope
      )
      const first = yield* Effect.forkChild(ask(0))
      yield* Deferred.await(begun)
      const second = yield* Effect.forkChild(ask(1), { startImmediately: true })
      yield* Scope.close(scope, Exit.void)
      for (const one of [first, second]) assert.isTrue(Exit.isFailure(yield* Fiber.await(one)))
    }).pipe(Effect.provide(store)))

  it.effect("is not tried for each alone where the database is away", () =>
    Effect.gen(function*() {
      let tried = 0
      const reason = new SqlError.ConnectionError({ cause: new Error("away"), message: "away", operation: "connect" })
      const ask = yield* inGroups({
        keyOf: (item: number) => item,
        run: (items: ReadonlyArray<number>) =>
          Effect.suspend(() => {
            tried += 1
            return Effect.as(Effect.fail(new SqlError.SqlError({ reason })), items)
          }).pipe(sqlAsStoreFailed("be reached"))
      })
      const exits = yield* Effect.forEach(Array.from({ length: 50 }, (_, item) => item), (item) =>
        Effect.exit(ask(item)), together)
      assert.isTrue(exits.every(Exit.isFailure))
      assert.isAtMost(tried, 2)
    }).pipe(Effect.provide(store)))

  it.effect("is part of the transaction that it is asked in", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const { ask, values } = yield* counting
      const failed = yield* Effect.flip(sql.withTransaction(
        Effect.andThen(ask({ key: "a", fault: "none" }), Effect.fail(new StoreFailed({ message: "taken back" })))
      ))
      assert.strictEqual(failed.message, "taken back")
      assert.deepStrictEqual(yield* values, new Map())
    }).pipe(Effect.scoped, Effect.provide(store)))
})
