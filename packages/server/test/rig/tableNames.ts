import { Effect, Schema } from "effect"
import { type SqlClient, SqlSchema } from "effect/sql"

/** The tables of an SQLite file, by name. */
export const SQLITE_TABLES =
  "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"

/** The tables of either database: whoever compares all that is in one forgets none. */
export const tableNames = Effect.fnUntraced(function*(sql: SqlClient.SqlClient) {
  const rows = yield* SqlSchema.findAll({
    Request: Schema.Void,
    Result: Schema.Struct({ name: Schema.String }),
    execute: () =>
      sql.onDialectOrElse({
        pg: () =>
          sql`SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1`,
        orElse: () => sql.unsafe(SQLITE_TABLES)
      })
  })()
  return rows.map(({ name }) => name)
})
