import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/** A row is a challenge that was used: the session that it began, until that ends. Times are UTC, ISO 8601. */
export const createSessions = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE sessions (
    challenge TEXT PRIMARY KEY NOT NULL,
    node_id INTEGER NOT NULL REFERENCES nodes (id),
    epoch INTEGER NOT NULL,
    began_at TEXT NOT NULL,
    ends_at TEXT NOT NULL
  )`
  yield* sql`CREATE INDEX sessions_of_node ON sessions (node_id, began_at)`
})
