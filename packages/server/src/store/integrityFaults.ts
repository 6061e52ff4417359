import { Effect, Schema } from "effect"
import { SqlClient, SqlSchema } from "effect/sql"
import { asStoreFailed } from "./StoreFailed.ts"

const Checked = Schema.Struct({ integrity_check: Schema.String })
const Dangling = Schema.Struct({ table: Schema.String, rowid: Schema.NullOr(Schema.Int), parent: Schema.String })

/**
 * What SQLite itself finds wrong with its file, by `PRAGMA integrity_check` and `foreign_key_check` (sqlite.org/pragma); at
 * most a hundred lines.
 */
export const integrityFaults = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const check = SqlSchema.findAll({
    Request: Schema.Void,
    Result: Checked,
    execute: () => sql`PRAGMA integrity_check(100)`
  })
  const dangling = SqlSchema.findAll({
    Request: Schema.Void,
    Result: Dangling,
    execute: () => sql`PRAGMA foreign_key_check`
  })
  const pages = (yield* check()).map(({ integrity_check }) => integrity_check).filter((line) => line !== "ok")
  const rows = (yield* dangling()).map(({ table, rowid, parent }) =>
    `row ${rowid ?? "?"} of ${table} refers to what is not in ${parent}`
  )
  return [...pages, ...rows].slice(0, 100)
}).pipe(asStoreFailed("be checked"))
