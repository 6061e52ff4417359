import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/**
 * One row: a sequence of the database's own would leave gaps and, on PostgreSQL, be seen out of order. A node's
 * `generation` is that of the configuration which it last said it was brought to.
 */
export const createGeneration = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE generation (id INTEGER PRIMARY KEY CHECK (id = 1), value BIGINT NOT NULL)`
  yield* sql`INSERT INTO generation (id, value) VALUES (1, 1)`
  yield* sql`ALTER TABLE nodes ADD COLUMN generation BIGINT`
  yield* sql`ALTER TABLE nodes ADD COLUMN rolled_back TEXT`
})
