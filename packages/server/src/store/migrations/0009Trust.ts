import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/**
 * The endorsement keys that were allowed beforehand, and of each node the root certificate that vouched for its own: the
 * SHA-256 of that certificate, or null.
 */
export const createTrust = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE allowed_eks (ek_sha256 TEXT PRIMARY KEY NOT NULL, allowed_at TEXT NOT NULL)`
  yield* sql`ALTER TABLE nodes ADD COLUMN ek_root TEXT`
})
