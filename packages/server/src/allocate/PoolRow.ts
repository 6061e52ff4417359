import type { Ipv4 } from "@patela/domain/net/Ipv4"
import type { Ipv6 } from "@patela/domain/net/Ipv6"
import { Effect, type Result, Schema } from "effect"
import { Flag, Whole } from "../store/Column.ts"
import { StoreFailed } from "../store/StoreFailed.ts"
import { type AnyPool, type Pool, type PoolRefused, poolV4, poolV6 } from "./AddressPool.ts"

/** A pool as the server keeps it. `environment`: it is that of PATELA_FIRST_V4 or PATELA_FIRST_V6. */
export const PoolRow = Schema.Struct({
  id: Whole,
  family: Schema.Literals(["ipv4", "ipv6"]),
  first_address: Schema.String,
  last_address: Schema.String,
  prefix: Whole,
  reserved: Schema.String,
  environment: Flag
})
export type PoolRow = typeof PoolRow.Type

/** A pool with what it is known by. */
export interface StoredPool {
  readonly id: number
  readonly environment: boolean
  readonly pool: AnyPool
}

/** Where addresses come from, each family's pools in the order in which they are used. */
export interface AllPools {
  readonly v4: ReadonlyArray<Pool<Ipv4>>
  readonly v6: ReadonlyArray<Pool<Ipv6>>
}

export const NO_POOLS: AllPools = { v4: [], v6: [] }

/** The pools with one more. */
export const withPool = ({ v4, v6 }: AllPools, pool: AnyPool): AllPools =>
  pool.family === "ipv4" ? { v4: [...v4, pool], v6 } : { v4, v6: [...v6, pool] }

export const allPools = (stored: ReadonlyArray<StoredPool>): AllPools =>
  stored.reduce((all, { pool }) => withPool(all, pool), NO_POOLS)

/** The pool of a row, or that this version makes none of it. */
export const poolOfRow = Effect.fnUntraced(function*(row: PoolRow) {
  const bounds = { last: row.last_address, reserved: row.reserved.split(" ").filter((text) => text !== "") }
  const made: Result.Result<AnyPool, PoolRefused> = row.family === "ipv4"
    ? poolV4(row.first_address, row.prefix, bounds)
    : poolV6(row.first_address, row.prefix, bounds)
  const pool = yield* Effect.fromResult(made).pipe(
    Effect.mapError(({ message }) => new StoreFailed({ message: `Pool ${row.id} is unusable: ${message}` }))
  )
  return { id: row.id, environment: row.environment, pool } satisfies StoredPool
})

export const rowOfPool = ({ family, first, last, prefix, reserved }: AnyPool, environment: boolean) => ({
  family,
  first_address: first,
  last_address: last,
  prefix,
  reserved: [...reserved].join(" "),
  environment: environment ? 1 : 0
})
