import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/** When a waiting machine proved that its TPM holds the keys that it names; null where it did not. */
export const addProof = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* sql`ALTER TABLE nodes ADD COLUMN proven_at TEXT`
})
