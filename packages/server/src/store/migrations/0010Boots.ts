import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/**
 * What nodes booted. `sessions.boot` is what a session showed, null where it showed nothing; `shown_boots` what each node
 * showed last, with its event log as hex in a table of its own, written only when it is another; `allowed_boots` what
 * is allowed, by digest, with values and the node they were learned from where they were learned. PCRs are JSON.
 */
export const createBoots = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* sql`ALTER TABLE sessions ADD COLUMN boot TEXT`
  yield* sql`CREATE TABLE shown_boots (
    node_id INTEGER PRIMARY KEY NOT NULL REFERENCES nodes (id),
    boot TEXT NOT NULL,
    shown_at TEXT NOT NULL
  )`
  yield* sql`CREATE TABLE event_logs (
    node_id INTEGER PRIMARY KEY NOT NULL REFERENCES nodes (id),
    sha256 TEXT NOT NULL,
    event_log TEXT NOT NULL
  )`
  yield* sql`CREATE TABLE allowed_boots (
    digest TEXT PRIMARY KEY NOT NULL,
    boot TEXT,
    learned_from INTEGER,
    allowed_at TEXT NOT NULL
  )`
})
