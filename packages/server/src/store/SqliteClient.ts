import { Effect, Layer, Semaphore, Stream } from "effect"
import { Reactivity } from "effect/reactivity"
import { SqlClient, type SqlConnection, SqlError, Statement } from "effect/sql"
import { closeSync, openSync, statSync } from "node:fs"
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite"
import { pathToFileURL } from "node:url"

/** How long a statement waits for another process, such as `patela enable` beside the server, in milliseconds. */
const BUSY_TIMEOUT = 5000

/** Statements are few and fixed; the bound only guards against SQL text that somebody builds. */
const CACHED_STATEMENTS = 200

/**
 * WAL lets `patela list` read while the server writes. FULL syncs the log at every commit: an address that was promised
 * to a node must not be given to another after a power cut (sqlite.org/pragma, "synchronous").
 */
const PRAGMAS = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON"

const failure = (cause: unknown, operation: string): SqlError.SqlError =>
  new SqlError.SqlError({
    reason: SqlError.classifySqliteError(cause, {
      message: cause instanceof Error ? cause.message : "SQLite failed",
      operation
    })
  })

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

const connectionTo = (database: DatabaseSync): SqlConnection.Connection => {
  const cache = new Map<string, StatementSync>()
  const prepare = (sql: string): StatementSync => {
    const known = cache.get(sql)
    if (known !== undefined) return known
    if (cache.size >= CACHED_STATEMENTS) cache.clear()
    const statement = database.prepare(sql)
    cache.set(sql, statement)
    return statement
  }
  const attempt = <A>(operation: string, run: () => A): Effect.Effect<A, SqlError.SqlError> =>
    Effect.try({ try: run, catch: (cause) => failure(cause, operation) })
  const execute: SqlConnection.Connection["execute"] = (sql, params, transformRows) =>
    attempt("execute", () => {
      const rows = prepare(sql).all(...inputsOf(params))
      return transformRows === undefined ? rows : transformRows(rows)
    })
  const executeValues: SqlConnection.Connection["executeValues"] = (sql, params) =>
    attempt("executeValues", () => prepare(sql).all(...inputsOf(params)).map((row) => Object.values(row)))
  return {
    execute,
    executeRaw: (sql, params) => attempt("executeRaw", () => prepare(sql).run(...inputsOf(params))),
    executeStream: (sql, params, transformRows) =>
      Stream.unwrap(Effect.map(execute(sql, params, transformRows), Stream.fromIterable)),
    executeValues,
    executeValuesUnprepared: executeValues,
    executeUnprepared: (sql, params, transformRows) =>
      attempt("executeUnprepared", () => {
        const rows = database.prepare(sql).all(...inputsOf(params))
        return transformRows === undefined ? rows : transformRows(rows)
      })
  }
}

/**
 * SqlClient over `node:sqlite`: one connection, one permit, write transactions that take their lock at once. It stands
 * in for @effect/sql-sqlite-node, which has no release for effect 4.1; keep it in this one file.
 */
const make = Effect.fnUntraced(function*(opening: () => DatabaseSync) {
  const database = yield* Effect.acquireRelease(
    Effect.try({ try: opening, catch: (cause) => failure(cause, "open") }),
    (opened) => Effect.sync(() => opened.close())
  )
  const connection = connectionTo(database)
  const acquirers = SqlClient.makeSqliteAcquirers({
    connection: Effect.succeed(connection),
    semaphore: yield* Semaphore.make(1),
    isTransaction: () => database.isTransaction
  })
  return yield* SqlClient.make({
    ...acquirers,
    compiler: Statement.makeCompilerSqlite(),
    driver: "sqlite-node",
    beginTransaction: "BEGIN IMMEDIATE",
    spanAttributes: [["db.system.name", "sqlite"]]
  })
})

const layerOf = (opening: () => DatabaseSync): Layer.Layer<SqlClient.SqlClient, SqlError.SqlError> =>
  Layer.effect(SqlClient.SqlClient, make(opening)).pipe(Layer.provide(Reactivity.layer))

/** The file at `path`, created with mode 0600 where there is none. */
export const layer = (path: string) => layerOf(() => open(path))

/** The file at `path`, which has to be there, to read it. */
export const layerToRead = (path: string, as: ReadAs = "shared") => layerOf(() => openToRead(path, as))
