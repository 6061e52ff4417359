import { Context, Effect, Layer, Option, type Redacted, Schema } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { Audit } from "../audit/Audit.ts"
import * as SqliteClient from "../store/SqliteClient.ts"
import { sqlMessage } from "../store/sqlMessage.ts"
import { migrate, unmigrated } from "../store/Store.ts"
import type { StoreFailed } from "../store/StoreFailed.ts"
import { copyOrder } from "./copyOrder.ts"
import { checkColumns, checkEmpty, countRows, setNumbers } from "./PostgresTarget.ts"
import { checkVersion, rowsAfter, type SourceTable, sourceTables } from "./SqliteSource.ts"
import { TransferFailed } from "./TransferFailed.ts"

/** Rows of one INSERT: PostgreSQL takes 65,535 values in a statement, and event logs are a megabyte each. */
const BATCH = 100

/** How many rows of a table were copied. */
export interface CopiedTable {
  readonly name: string
  readonly rows: number
}

/** Everything was done and is to be forgotten: how a rehearsal ends its transaction. */
class Rehearsed extends Schema.TaggedError<Rehearsed>()("Rehearsed", {
  copied: Schema.Array(Schema.Struct({ name: Schema.String, rows: Schema.Int }))
}) {}

const asTransferFailed = (what: string) => (error: SqlError.SqlError | Schema.SchemaError | StoreFailed) =>
  new TransferFailed({
    message: `${what}: ${error._tag === "SqlError" ? sqlMessage(error) : error.message}. ` +
      "Nothing was copied"
  })

const copyTable = Effect.fnUntraced(
  function*(source: SqlClient.SqlClient, target: SqlClient.SqlClient, table: SourceTable) {
    let after = Number.MIN_SAFE_INTEGER
    for (;;) {
      const batch = Option.getOrUndefined(yield* rowsAfter(source, table, after, BATCH))
      if (batch === undefined) break
      yield* target`INSERT INTO ${target(table.name)} ${target.insert(batch.rows)}`
      after = batch.place
    }
    const [rows, there] = [yield* countRows(source, table.name), yield* countRows(target, table.name)]
    if (rows === there) return { name: table.name, rows }
    return yield* new TransferFailed({
      message: `The table ${table.name} has ${rows} rows in the file and ${there} in PostgreSQL. Nothing was copied`
    })
  },
  (copying, _source, _target, { name }) =>
    Effect.catchTags(copying, {
      SqlError: (error) => Effect.fail(asTransferFailed(`The table ${name} cannot be copied`)(error)),
      SchemaError: (error) => Effect.fail(asTransferFailed(`The table ${name} cannot be copied`)(error))
    })
)

const copyAll = Effect.fnUntraced(
  function*(source: SqlClient.SqlClient, target: SqlClient.SqlClient, who: string, rehearse: boolean) {
    yield* checkEmpty(target)
    yield* Effect.provideService(migrate, SqlClient.SqlClient, target)
    const tables = yield* Effect.fromResult(copyOrder(yield* sourceTables(source))).pipe(
      Effect.mapError((names) =>
        new TransferFailed({ message: `The tables ${names.join(", ")} of the file refer to each other, or to none` })
      )
    )
    for (const table of tables) yield* checkColumns(target, table)
    // Rows that the migrations themselves put there: the file has its own.
    for (const { name } of tables.toReversed()) yield* target`DELETE FROM ${target(name)}`
    const copied: ReadonlyArray<CopiedTable> = yield* Effect.forEach(
      tables,
      (table) => copyTable(source, target, table)
    )
    for (const table of tables) yield* setNumbers(target, table)
    const audit = yield* Layer.build(Layer.provide(Audit.layer, Layer.succeed(SqlClient.SqlClient, target)))
    yield* Context.get(audit, Audit).record({
      who,
      what: "database: moved from SQLite to PostgreSQL",
      before: null,
      after: `${copied.reduce((sum, { rows }) => sum + rows, 0)} rows`
    })
    if (rehearse) return yield* new Rehearsed({ copied })
    return copied
  }
)

const clientOf = <E>(layer: Layer.Layer<SqlClient.SqlClient, E>) =>
  Effect.map(Layer.build(layer), (services) => Context.get(services, SqlClient.SqlClient))

/**
 * Copies everything from a SQLite file into an empty PostgreSQL database, in one transaction there and one look at the
 * file, which is only read. A rehearsal does all of it and then takes it back.
 */
export const transfer = Effect.fn("transfer")(
  function*(input: {
    readonly path: string
    readonly to: Redacted.Redacted
    readonly who: string
    readonly rehearse: boolean
  }) {
    const { path, to, who, rehearse } = input
    const source = yield* clientOf(SqliteClient.layerToRead(path)).pipe(
      Effect.mapError(asTransferFailed(`The file ${path} cannot be opened`))
    )
    const target = yield* clientOf(unmigrated({ engine: "postgres", url: to }))
    return yield* checkVersion(source, path).pipe(
      Effect.andThen(target.withTransaction(copyAll(source, target, who, rehearse))),
      source.withTransaction,
      // A look at the file as it is now, whoever writes meanwhile, and not the right to write.
      Effect.provideService(SqlClient.BeginTransaction, "BEGIN"),
      Effect.catchTags({
        Rehearsed: ({ copied }) => Effect.succeed<ReadonlyArray<CopiedTable>>(copied),
        SqlError: (error) => Effect.fail(asTransferFailed("The database cannot be copied")(error)),
        SchemaError: (error) => Effect.fail(asTransferFailed("The database cannot be copied")(error)),
        StoreFailed: (error) => Effect.fail(asTransferFailed("The database cannot be copied")(error))
      })
    )
  },
  Effect.scoped
)
