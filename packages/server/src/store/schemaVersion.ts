import { Effect, Schema } from "effect"
import { SqlClient, SqlSchema } from "effect/sql"
import { Whole } from "./Column.ts"
import { asStoreFailed } from "./StoreFailed.ts"

/** Where a database says which steps it went through. */
export const MIGRATIONS_TABLE = "patela_migrations"

/** The newest step that the database went through, 0 for none; fails where it is none of Patela's. */
export const schemaVersion = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const newest = SqlSchema.findOne({
    Request: Schema.Void,
    Result: Schema.Struct({ version: Schema.NullOr(Whole) }),
    execute: () => sql`SELECT MAX(migration_id) AS version FROM ${sql(MIGRATIONS_TABLE)}`
  })
  const { version } = yield* Effect.catchTag(newest(), "NoSuchElementError", () => Effect.succeed({ version: null }))
  return version ?? 0
}).pipe(asStoreFailed("say which version it is of"))
