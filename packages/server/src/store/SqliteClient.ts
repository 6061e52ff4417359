import { Deferred, Effect, Layer, Option, Semaphore, Stream } from "effect"
import { Reactivity } from "effect/reactivity"
import { SqlClient, type SqlConnection, type SqlError, Statement } from "effect/sql"
import { closeSync, openSync, statSync } from "node:fs"
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite"
import { pathToFileURL } from "node:url"
import { type Settled, SharedCommit, sqliteFailure } from "./SharedCommit.ts"

/** How long a statement waits for another process, such as `patela enable` beside the server, in milliseconds. */
const BUSY_TIMEOUT = 5000

/** Statements are few and fixed; the bound only guards against SQL text that somebody builds. */
const CACHED_STATEMENTS = 200

/**
 * WAL lets `patela list` read while the server writes. FULL syncs the log at every commit: an address that was promised
 * to a node must not be given to another after a power cut (sqlite.org/pragma, "synchronous").
 */
const PRAGMAS = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON"

const isInput = (value: unknown): value is SQLInputValue =>
  value === null || typeof value === "string" || typeof value === "number" || typeof value === "bigint" ||
  value instanceof Uint8Array

const inputsOf = (params: ReadonlyArray<unknown>): Array<SQLInputValue> =>
  params.map((param) => {
    if (isInput(param)) return param
    throw new TypeError(`SQLite takes no value of type ${typeof param}`)
  })

const openOnce = (path: string): DatabaseSync => {
  const database = new DatabaseSync(path, { timeout: BUSY_TIMEOUT })
  database.exec(PRAGMAS)
  return database
}

const open = (path: string): DatabaseSync => {
  if (path === ":memory:") return openOnce(path)
  for (;;) {
    // The log and index beside the file take its mode, so creating it 0600 closes all three.
    closeSync(openSync(path, "a", 0o600))
    const { ino } = statSync(path)
    const database = openOnce(path)
    // `patela restore` may have put another file there while this waited for its lock. From here on it is refused.
    if (statSync(path, { throwIfNoEntry: false })?.ino === ino) return database
    database.close()
  }
}

/** `shared` may be written by others meanwhile; of what this process locked itself, SQLite is told that nobody does. */
export type ReadAs = "shared" | "locked by us"

/** Reads a file that is there, and neither makes nor changes it. */
const openToRead = (path: string, as: ReadAs): DatabaseSync => {
  if (as === "shared") return new DatabaseSync(path, { timeout: BUSY_TIMEOUT, readOnly: true })
  const url = pathToFileURL(path)
  // It asks for no lock then (sqlite.org/uri, "immutable").
  url.searchParams.set("immutable", "1")
  return new DatabaseSync(url, { readOnly: true })
}

/** How a transaction of SqlClient begins and ends, which is not what is said to SQLite. */
const BEGIN = "BEGIN"
const COMMIT = "COMMIT"
const ROLLBACK = "ROLLBACK"

const connectionTo = (database: DatabaseSync) => {
  const cache = new Map<string, StatementSync>()
  const prepare = (sql: string): StatementSync => {
    const known = cache.get(sql)
    if (known !== undefined) return known
    if (cache.size >= CACHED_STATEMENTS) cache.clear()
    const statement = database.prepare(sql)
    cache.set(sql, statement)
    return statement
  }
  const shared = new SharedCommit(database, (sql) => void prepare(sql).run())
  const controls = new Map([
    [BEGIN, () => shared.begin()],
    [COMMIT, () => shared.end()],
    [ROLLBACK, () => shared.undo()]
  ])
  const attempt = <A>(operation: string, run: () => A): Effect.Effect<A, SqlError.SqlError> =>
    Effect.try({ try: run, catch: (cause) => sqliteFailure(cause, operation) })
  const said = (operation: string, sql: string, run: () => ReadonlyArray<Record<string, unknown>>) => {
    const control = controls.get(sql)
    if (control === undefined) return attempt(operation, () => shared.inside ? run() : shared.alone(sql, run))
    return attempt(sql, () => {
      control()
      return []
    })
  }
  const execute: SqlConnection.Connection["execute"] = (sql, params, transformRows) =>
    said("execute", sql, () => {
      const rows = prepare(sql).all(...inputsOf(params))
      return transformRows === undefined ? rows : [...transformRows(rows)]
    })
  const alone = <A>(operation: string, sql: string, run: () => A) =>
    attempt(operation, () => shared.inside ? run() : shared.alone(sql, run))
  const executeValues: SqlConnection.Connection["executeValues"] = (sql, params) =>
    alone("executeValues", sql, () => prepare(sql).all(...inputsOf(params)).map((row) => Object.values(row)))
  const connection: SqlConnection.Connection = {
    execute,
    executeRaw: (sql, params) => alone("executeRaw", sql, () => prepare(sql).run(...inputsOf(params))),
    executeStream: (sql, params, transformRows) =>
      Stream.unwrap(Effect.map(execute(sql, params, transformRows), Stream.fromIterable)),
    executeValues,
    executeValuesUnprepared: executeValues,
    executeUnprepared: (sql, params, transformRows) =>
      said("executeUnprepared", sql, () => {
        const rows = database.prepare(sql).all(...inputsOf(params))
        return transformRows === undefined ? rows : [...transformRows(rows)]
      })
  }
  return { connection, shared }
}

/** Runs a step, and gives what came of it once all that is written by then is on disk. */
const settledAfter = <A, E, R>(
  shared: SharedCommit,
  run: (note: Effect.Effect<void>) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | SqlError.SqlError, R> =>
  Effect.suspend(() => {
    let mine: Settled | undefined
    const note = Effect.sync(() => {
      mine = shared.open
    })
    return Effect.flatMap(
      run(note),
      (result) => mine === undefined ? Effect.succeed(result) : Effect.as(Deferred.await(mine), result)
    )
  })

/**
 * SqlClient over `node:sqlite`: one connection, one permit, write transactions that take their lock at once, and one commit
 * for those of one turn. It stands in for @effect/sql-sqlite-node, which has no release for effect 4.1; keep it in this one file.
 */
const make = Effect.fnUntraced(function*(opening: () => DatabaseSync) {
  const { connection, shared } = yield* Effect.acquireRelease(
    Effect.try({
      try: () => {
        const database = opening()
        return { database, ...connectionTo(database) }
      },
      catch: (cause) => sqliteFailure(cause, "open")
    }),
    ({ database, shared }) =>
      Effect.sync(() => {
        shared.commit()
        database.close()
      })
  )
  const acquirers = SqlClient.makeSqliteAcquirers({
    connection: Effect.succeed(connection),
    semaphore: yield* Semaphore.make(1),
    isTransaction: () => shared.inside
  })
  const client = yield* SqlClient.make({
    ...acquirers,
    borrower: (use) => settledAfter(shared, (note) => acquirers.borrower((lent) => Effect.tap(use(lent), note))),
    compiler: Statement.makeCompilerSqlite(),
    driver: "sqlite-node",
    beginTransaction: BEGIN,
    commit: COMMIT,
    rollback: ROLLBACK,
    prepareTransactionControls: true,
    spanAttributes: [["db.system.name", "sqlite"]]
  })
  const once = client.withTransaction
  const withTransaction: SqlClient.SqlClient["withTransaction"] = (step) =>
    Effect.flatMap(
      Effect.serviceOption(client.transactionService),
      (outer) => Option.isSome(outer) ? once(step) : settledAfter(shared, (note) => once(Effect.tap(step, note)))
    )
  return Object.assign(client, { withTransaction })
})

const layerOf = (opening: () => DatabaseSync): Layer.Layer<SqlClient.SqlClient, SqlError.SqlError> =>
  Layer.effect(SqlClient.SqlClient, make(opening)).pipe(Layer.provide(Reactivity.layer))

/** The file at `path`, created with mode 0600 where there is none. */
export const layer = (path: string) => layerOf(() => open(path))

/** The file at `path`, which has to be there, to read it. */
export const layerToRead = (path: string, as: ReadAs = "shared") => layerOf(() => openToRead(path, as))
