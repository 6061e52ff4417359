import { Effect, Schema } from "effect"
import { type SqlClient, SqlSchema } from "effect/sql"
import { Whole } from "../store/Column.ts"
import type { SourceTable } from "./SqliteSource.ts"
import { TransferFailed } from "./TransferFailed.ts"

const Column = Schema.Struct({ name: Schema.String, numbered: Schema.Literals(["YES", "NO"]) })

/** How many rows a table has, in either database. */
export const countRows = (sql: SqlClient.SqlClient, table: string) =>
  Effect.map(
    SqlSchema.findOne({
      Request: Schema.Void,
      Result: Schema.Struct({ rows: Whole }),
      execute: () => sql`SELECT COUNT(*) AS ${sql("rows")} FROM ${sql(table)}`
    })(),
    ({ rows }) => rows
  ).pipe(Effect.catchTag("NoSuchElementError", Effect.die))

/** Refuses a database in which anything is: two fleets in one would be worse than none. */
export const checkEmpty = Effect.fn("checkEmpty")(function*(sql: SqlClient.SqlClient) {
  const tables = yield* SqlSchema.findAll({
    Request: Schema.Void,
    Result: Schema.Struct({ name: Schema.String }),
    execute: () =>
      sql`SELECT table_name AS name FROM information_schema.tables WHERE table_schema = current_schema() ORDER BY 1`
  })()
  if (tables.length === 0) return
  return yield* new TransferFailed({
    message: `The PostgreSQL database is not empty: it has the tables ${tables.map(({ name }) => name).join(", ")}. ` +
      "Nothing was changed. Make a new one, for example createdb --owner patela patela, and say --to with its name"
  })
})

const columnsOf = (sql: SqlClient.SqlClient, table: string) =>
  SqlSchema.findAll({
    Request: Schema.String,
    Result: Column,
    execute: (name) =>
      sql`SELECT column_name AS name, is_identity AS numbered FROM information_schema.columns
        WHERE table_schema = current_schema() AND table_name = ${name} ORDER BY ordinal_position`
  })(table)

/** Refuses a table that the two databases have different columns of, which this version never makes. */
export const checkColumns = Effect.fn("checkColumns")(function*(sql: SqlClient.SqlClient, table: SourceTable) {
  const there = (yield* columnsOf(sql, table.name)).map(({ name }) => name)
  if (there.toSorted().join() === table.columns.toSorted().join()) return
  return yield* new TransferFailed({
    message: `The table ${table.name} has the columns ${table.columns.join(", ")} in the file, and ` +
      `${there.join(", ") || "is not there"} in PostgreSQL. Somebody changed the file's tables by hand`
  })
})

/** The next number that the database gives is above all that the file ever gave. */
export const setNumbers = Effect.fn("setNumbers")(function*(sql: SqlClient.SqlClient, table: SourceTable) {
  if (table.lastNumber === null || table.lastNumber < 1) return
  for (const { name, numbered } of yield* columnsOf(sql, table.name)) {
    if (numbered === "YES") {
      yield* sql`SELECT setval(pg_get_serial_sequence(${table.name}, ${name}), ${table.lastNumber})`
    }
  }
})
