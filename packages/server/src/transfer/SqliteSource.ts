import { Array, Effect, Option, Schema } from "effect"
import { type SqlClient, SqlSchema } from "effect/sql"
import { MIGRATIONS_TABLE } from "../store/schemaVersion.ts"
import { MIGRATIONS } from "../store/Store.ts"
import { TransferFailed } from "./TransferFailed.ts"

/** A table of the file. `lastNumber` is the highest number that AUTOINCREMENT ever gave in it, also to rows that are gone. */
export interface SourceTable {
  readonly name: string
  readonly columns: ReadonlyArray<string>
  readonly references: ReadonlyArray<string>
  readonly lastNumber: number | null
}

const Named = Schema.Struct({ name: Schema.String })
const namesOf = (rows: ReadonlyArray<typeof Named.Type>) => rows.map(({ name }) => name)

/** Whether the file has exactly this version's migrations. Bringing it there is for a command that writes to it. */
export const checkVersion = Effect.fn("checkVersion")(function*(sql: SqlClient.SqlClient, path: string) {
  const find = SqlSchema.findAll({
    Request: Schema.String,
    Result: Named,
    execute: (table) => sql`SELECT name FROM sqlite_master WHERE type = 'table' AND name = ${table}`
  })
  const applied = SqlSchema.findAll({
    Request: Schema.Void,
    Result: Schema.Struct({ migration_id: Schema.Int, name: Schema.String }),
    execute: () => sql`SELECT migration_id, name FROM ${sql(MIGRATIONS_TABLE)} ORDER BY migration_id`
  })
  if ((yield* find(MIGRATIONS_TABLE)).length === 0) {
    return yield* new TransferFailed({
      message: `${path} is no database of Patela: it has no table ${MIGRATIONS_TABLE}`
    })
  }
  const has = (yield* applied()).map(({ migration_id, name }) => `${String(migration_id).padStart(4, "0")}_${name}`)
  if (has.join() === Object.keys(MIGRATIONS).join()) return
  return yield* new TransferFailed({
    message: `${path} is of another version of Patela. Bring it to this one first, after a copy of the file: ` +
      `DATABASE_URL=sqlite:${path} patela list node`
  })
})

/** Every table with data, whatever its purpose: what is added to the schema is copied with the rest. */
export const sourceTables = Effect.fn("sourceTables")(function*(sql: SqlClient.SqlClient) {
  const tables = SqlSchema.findAll({
    Request: Schema.Void,
    Result: Named,
    execute: () =>
      sql`SELECT name FROM sqlite_master
        WHERE type = 'table' AND name NOT LIKE 'sqlite@_%' ESCAPE '@' AND name <> ${MIGRATIONS_TABLE} ORDER BY name`
  })
  const columns = SqlSchema.findAll({
    Request: Schema.String,
    Result: Named,
    execute: (table) => sql`SELECT name FROM pragma_table_info(${table}) ORDER BY cid`
  })
  const references = SqlSchema.findAll({
    Request: Schema.String,
    Result: Named,
    execute: (table) => sql`SELECT DISTINCT "table" AS name FROM pragma_foreign_key_list(${table})`
  })
  const last = SqlSchema.findOneOption({
    Request: Schema.String,
    Result: Schema.Struct({ seq: Schema.Int }),
    execute: (table) => sql`SELECT seq FROM sqlite_sequence WHERE name = ${table}`
  })
  return yield* Effect.forEach(namesOf(yield* tables()), (name) =>
    Effect.gen(function*() {
      return {
        name,
        columns: namesOf(yield* columns(name)),
        references: namesOf(yield* references(name)),
        lastNumber: Option.getOrNull(Option.map(yield* last(name), ({ seq }) => seq))
      } satisfies SourceTable
    }))
})

/** What SQLite keeps in a column (sqlite.org/datatype3, section 2). */
const Cell = Schema.Union([Schema.Null, Schema.Number, Schema.String, Schema.Uint8Array])
const Row = Schema.Record(Schema.String, Cell)

/** Next to the columns: where the next batch begins. */
const PLACE = "patela_rowid"

/** The rows after a place in a table, so many at most, with the place of the last one; none at its end. */
export const rowsAfter = Effect.fn("rowsAfter")(
  function*(sql: SqlClient.SqlClient, table: SourceTable, after: number, most: number) {
    const read = SqlSchema.findAll({
      Request: Schema.Struct({ after: Schema.Int, most: Schema.Int }),
      Result: Row,
      execute: (asked) =>
        sql`SELECT rowid AS ${sql(PLACE)}, * FROM ${sql(table.name)} WHERE rowid > ${asked.after}
          ORDER BY rowid LIMIT ${asked.most}`
    })
    const found = yield* read({ after, most })
    const place = found.at(-1)?.[PLACE]
    const rows = found.map((row) => Object.fromEntries(table.columns.map((column) => [column, row[column] ?? null])))
    return typeof place === "number" && Array.isReadonlyArrayNonEmpty(rows)
      ? Option.some({ place, rows })
      : Option.none()
  }
)
