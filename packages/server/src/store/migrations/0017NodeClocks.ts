import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/** How many seconds a node's clock was ahead of the server's when it last authenticated; null where it did not say. */
export const addNodeClocks = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* sql`ALTER TABLE nodes ADD COLUMN clock_ahead BIGINT`
})
