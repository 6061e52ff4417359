import * as PgClient from "@effect/sql-pg/PgClient"
import type * as PgConnection from "@effect/sql-pg/PgConnection"
import * as PgPool from "@effect/sql-pg/PgPool"
import { Effect, Predicate, Stream } from "effect"
import { SqlClient, type SqlConnection, SqlError } from "effect/sql"

/** How many of a server's connections reads share, and how many of them are under way on one. */
const READERS = 2
const READS_OF_EACH = 64

/**
 * Statements that wait for no lock of another's transaction (PostgreSQL manual, 13.3): none of ours that is by itself says
 * FOR UPDATE. What is behind them on one connection waits for them, so those that may wait have a connection for themselves.
 */
const READS = /^\s*SELECT\b/i

/** Has one of a pool's connections do something. */
type Use = PgPool.PgPool["use"]

const rowsOf = (connection: PgConnection.PgConnection, sql: string, params: ReadonlyArray<unknown>, prepare: boolean) =>
  Effect.map(connection.query(sql, params, prepare), ({ rows }) => rows)

/** What statements are said to; `useFor` says which connection is for a statement. Nothing transforms rows. */
const connectionOver = (useFor: (sql: string) => Use, streams: PgPool.PgPool["get"]): SqlConnection.Connection => {
  const rows = (sql: string, params: ReadonlyArray<unknown>, prepare: boolean) =>
    useFor(sql)((connection) => rowsOf(connection, sql, params, prepare))
  const values = (sql: string, params: ReadonlyArray<unknown>, prepare: boolean) =>
    useFor(sql)((connection) => connection.queryValues(sql, params, prepare))
  return {
    execute: (sql, params) => rows(sql, params, true),
    executeUnprepared: (sql, params) => rows(sql, params, false),
    executeRaw: (sql, params) => useFor(sql)((connection) => connection.query(sql, params)),
    executeValues: (sql, params) => values(sql, params, true),
    executeValuesUnprepared: (sql, params) => values(sql, params, false),
    executeStream: (sql, params) => Stream.unwrap(Effect.map(streams, (connection) => connection.stream(sql, params)))
  }
}

/** The same of one connection, that somebody has for a while. */
const connectionOf = (connection: PgConnection.PgConnection): SqlConnection.Connection =>
  connectionOver(() => (run) => run(connection), Effect.succeed(connection))

/** PostgreSQL answers ROLLBACK to a COMMIT of what it broke off before. */
const commit = (connection: SqlConnection.Connection): Effect.Effect<void, SqlError.SqlError> =>
  Effect.flatMap(connection.executeRaw("COMMIT", []), (answer) => {
    if (!Predicate.hasProperty(answer, "command") || answer.command !== "ROLLBACK") return Effect.void
    const message = "PostgreSQL took back a transaction in which a statement failed"
    return Effect.fail(
      new SqlError.SqlError({
        reason: new SqlError.UnknownError({ cause: new Error(message), message, operation: "commit" })
      })
    )
  })

/**
 * SqlClient over @effect/sql-pg whose reads share connections, one behind the other without waiting for answers
 * (PostgreSQL manual, 34.5): most of what a fleet asks is reads, and each costs both sides half of what it does alone.
 * Transactions, and statements that write, have a connection for themselves.
 */
export const postgresConnections = Effect.fnUntraced(function*(settings: PgPool.Config, most: number) {
  const writers = yield* PgPool.make({ ...settings, maxConnections: most - READERS })
  const readers = yield* PgPool.make({
    ...settings,
    maxConnections: READERS,
    multiplex: true,
    multiplexConcurrency: READS_OF_EACH
  })
  const shared = connectionOver((sql) => READS.test(sql) ? readers.use : writers.use, writers.get)
  const acquirer = Effect.map(writers.reserve, connectionOf)
  return yield* SqlClient.make({
    acquirer,
    borrower: (run) => run(shared),
    transactionAcquirer: acquirer,
    compiler: PgClient.makeCompiler(),
    driver: "pg",
    prepareTransactionControls: true,
    commit,
    releaseSavepoint: (name) => `RELEASE SAVEPOINT ${name}`,
    spanAttributes: [["db.system.name", "postgresql"]]
  })
})
