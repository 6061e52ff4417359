import { Effect, Layer, Redacted, Schema } from "effect"
import { SqlClient, SqlSchema } from "effect/sql"
import { Whole } from "../../packages/server/src/store/Column.ts"
import { unmigrated } from "../../packages/server/src/store/Store.ts"
import type { PostgresCluster } from "../../packages/server/test/rig/PostgresCluster.ts"
import { processorOfAll } from "./processor.ts"

/** What the cluster has to be started with, for its statements to be counted (PostgreSQL manual, F.32). */
export const COUNTING = { shared_preload_libraries: "pg_stat_statements" }

/** What a cluster did. */
export interface PostgresWork {
  /** Processor time of all of its processes, in seconds. */
  readonly processor: number
  /** All that it was told but beginnings and ends of transactions, which are not counted where they are prepared. */
  readonly statements: number
  /** How often its log was synced to the disk. */
  readonly syncs: number
  /** The statements that took it longest: how often, for how many milliseconds in all, and their beginning. */
  readonly longest: ReadonlyArray<{ readonly calls: number; readonly millis: number; readonly query: string }>
}

const Counted = Schema.Struct({ statements: Whole, syncs: Whole })
const Longest = Schema.Struct({ calls: Whole, millis: Whole, query: Schema.String })

/** Runs a step, and says what the cluster did meanwhile. */
export const postgresWorkOf = Effect.fnUntraced(function*<A, E, R>(
  cluster: PostgresCluster,
  step: Effect.Effect<A, E, R>
) {
  const database = { engine: "postgres", url: Redacted.make(cluster.url("postgres")) } as const
  const at = Effect.provide(Layer.fresh(unmigrated(database)))
  const counted = Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    return yield* SqlSchema.findOne({
      Request: Schema.Void,
      Result: Counted,
      execute: () =>
        sql`SELECT COALESCE(SUM(calls), 0)::bigint AS statements,
          (SELECT wal_sync FROM pg_stat_wal) AS syncs FROM pg_stat_statements`
    })()
  })
  const longest = Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    return yield* SqlSchema.findAll({
      Request: Schema.Void,
      Result: Longest,
      execute: () =>
        sql`SELECT calls, total_exec_time::bigint AS millis, query FROM pg_stat_statements
          ORDER BY total_exec_time DESC LIMIT 60`
    })()
  })
  const pid = cluster.pid() ?? 0

  yield* Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    yield* sql`CREATE EXTENSION pg_stat_statements`
    yield* sql`SELECT pg_stat_statements_reset(), pg_stat_reset_shared('wal')`
  }).pipe(at)
  const before = yield* processorOfAll(pid)
  const result = yield* step
  const processor = (yield* processorOfAll(pid)) - before
  const work: PostgresWork = { processor, ...yield* at(counted), longest: yield* at(longest) }
  return { result, work }
})
