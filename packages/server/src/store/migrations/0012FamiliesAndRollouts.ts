import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/**
 * The keys of the fleet's family: `family_id` is public, `secret` the 64 bytes of its ed25519 key as hex. The largest
 * `serial` is the key of now. Who adds one counts on from the largest, so that of two at once one fails. `held_configs` is what nodes go on being told during a rollout, as JSON.
 */
export const createFamiliesAndRollouts = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE family_keys (
    serial INTEGER PRIMARY KEY NOT NULL,
    family_id TEXT NOT NULL UNIQUE,
    secret TEXT NOT NULL,
    made_at TEXT NOT NULL
  )`
  yield* sql`CREATE TABLE held_configs (
    node_id INTEGER PRIMARY KEY NOT NULL REFERENCES nodes (id),
    relays TEXT NOT NULL,
    node TEXT NOT NULL
  )`
})
