import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/** One row a setting; the value is JSON or torrc text, decoded where it is read. */
export const createSettings = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE settings (name TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL)`
})
