import * as PgClient from "@effect/sql-pg/PgClient"
import type * as PgConnection from "@effect/sql-pg/PgConnection"
import * as PgPool from "@effect/sql-pg/PgPool"
import { Duration, Effect, Predicate, Stream } from "effect"
import { SqlClient, type SqlConnection, SqlError } from "effect/sql"

/** How many of a server's connections reads share, and how many of them are under way on one. */
const READERS = 2
const READS_OF_EACH = 64

/**
 * Statements that wait for no lock of another's transaction (PostgreSQL manual, 13.3): none of ours that is by itself says
 * FOR UPDATE. What is behind them on one connection waits for them, so those that may wait have a connection for themselves.
 */
const READS = /^\s*SELECT\b/i

/** Has one connection do something, one that somebody has or one of a pool's. */
type Use = PgPool.PgPool["use"]

const noAnswer = (patience: Duration.Duration): SqlError.SqlError => {
  const message = `PostgreSQL gave no answer within ${Duration.toSeconds(patience)} s`
  return new SqlError.SqlError({
    reason: new SqlError.ConnectionError({ cause: new Error(message), message, operation: "query" })
  })
}

/**
 * TCP tries for a quarter of an hour to bring what was sent to a machine that is not there any more (Linux, tcp(7),
 * tcp_retries2), and keep-alive says nothing meanwhile. A statement that is not answered in time is broken off, which ends a
 * connection that it has for itself; `giveUp` is what else is to be done.
 */
const answered = <A, E, R>(
  statement: Effect.Effect<A, E, R>,
  patience: Duration.Duration,
  giveUp: Effect.Effect<void> = Effect.void
) =>
  Effect.timeoutOrElse(statement, {
    duration: patience,
    orElse: () => Effect.andThen(giveUp, Effect.fail(noAnswer(patience)))
  })

/** One that several share goes on for all but who asked (PgConnection), and would be given to the next ones too. */
const useOf = (pool: PgPool.PgPool, patience: Duration.Duration): Use => (run) =>
  pool.use((connection) => answered(run(connection), patience, pool.invalidate(connection)))

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
const connectionOf = (connection: PgConnection.PgConnection, patience: Duration.Duration): SqlConnection.Connection => {
  return connectionOver(() => (run) => answered(run(connection), patience), Effect.succeed(connection))
}

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

export interface ConnectionsOptions {
  /** How many there are at most. */
  readonly most: number
  /** Whether reads share some of them. They do not where a pooler gives out PostgreSQL's by statement. */
  readonly sharedReads: boolean
  /** How long PostgreSQL may take for one statement. */
  readonly patience: Duration.Duration
}

/**
 * SqlClient over @effect/sql-pg that waits for no answer without end, and whose reads share connections, one behind the
 * other without waiting for answers (PostgreSQL manual, 34.5): most of what a fleet asks is reads, and each costs both sides
 * half of what it does alone. Transactions, and statements that write, have a connection for themselves.
 */
export const postgresConnections = Effect.fnUntraced(function*(
  settings: PgPool.Config,
  { most, patience, sharedReads }: ConnectionsOptions
) {
  const writers = yield* PgPool.make({ ...settings, maxConnections: sharedReads ? most - READERS : most })
  const write = useOf(writers, patience)
  const read = sharedReads
    ? useOf(
      yield* PgPool.make({
        ...settings,
        maxConnections: READERS,
        multiplex: true,
        multiplexConcurrency: READS_OF_EACH
      }),
      patience
    )
    : write
  const shared = connectionOver((sql) => READS.test(sql) ? read : write, writers.get)
  const acquirer = Effect.map(writers.reserve, (connection) => connectionOf(connection, patience))
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
