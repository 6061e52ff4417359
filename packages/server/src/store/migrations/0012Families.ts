import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/**
 * The keys of the fleet's family: `family_id` is public, `secret` the 64 bytes of its ed25519 key as hex. The largest
 * `serial` is the key of now. Who adds one counts on from the largest, so that of two at once one fails.
 */
export const createFamilies = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE family_keys (
    serial INTEGER PRIMARY KEY NOT NULL,
    family_id TEXT NOT NULL UNIQUE,
    secret TEXT NOT NULL,
    made_at TEXT NOT NULL
  )`
})
