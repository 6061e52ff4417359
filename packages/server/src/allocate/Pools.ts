import { Context, Effect, Layer, Schema } from "effect"
import { SqlClient, SqlSchema } from "effect/sql"
import { ConfigChange } from "../generation/ConfigChange.ts"
import { asStoreFailed, type StoreFailed } from "../store/StoreFailed.ts"
import type { AnyPool } from "./AddressPool.ts"
import { type AllPools, allPools, poolOfRow, PoolRow, rowOfPool, type StoredPool } from "./PoolRow.ts"

/** Where addresses come from. That ranges do not overlap is for those who add them to see to. */
export class Pools extends Context.Service<Pools, {
  /** In the order in which they are used: those of the environment first, then as they were added. */
  readonly list: Effect.Effect<ReadonlyArray<StoredPool>, StoreFailed>
  readonly all: Effect.Effect<AllPools, StoreFailed>
  readonly insert: (pool: AnyPool, environment: boolean) => Effect.Effect<void, StoreFailed, ConfigChange>
  readonly update: (id: number, pool: AnyPool, environment: boolean) => Effect.Effect<void, StoreFailed, ConfigChange>
  readonly delete: (id: number) => Effect.Effect<void, StoreFailed, ConfigChange>
}>()("@patela/server/allocate/Pools") {
  static readonly layer = Layer.effect(
    Pools,
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const rows = SqlSchema.findAll({
        Request: Schema.Void,
        Result: PoolRow,
        execute: () => sql`SELECT * FROM pools ORDER BY environment DESC, id`
      })
      const list = rows().pipe(
        asStoreFailed("list the pools"),
        Effect.flatMap((found) => Effect.forEach(found, poolOfRow))
      )

      const insert = Effect.fn("Pools.insert")(function*(pool: AnyPool, environment: boolean) {
        yield* ConfigChange.counted
        yield* sql`INSERT INTO pools ${sql.insert(rowOfPool(pool, environment))}`
      }, asStoreFailed("add a pool"))

      const update = Effect.fn("Pools.update")(function*(id: number, pool: AnyPool, environment: boolean) {
        yield* ConfigChange.counted
        yield* sql`UPDATE pools SET ${sql.update(rowOfPool(pool, environment))} WHERE id = ${id}`
      }, asStoreFailed("change a pool"))

      const remove = Effect.fn("Pools.delete")(function*(id: number) {
        yield* ConfigChange.counted
        yield* sql`DELETE FROM pools WHERE id = ${id}`
      }, asStoreFailed("remove a pool"))

      return Pools.of({ list, all: Effect.map(list, allPools), insert, update, delete: remove })
    })
  )
}
