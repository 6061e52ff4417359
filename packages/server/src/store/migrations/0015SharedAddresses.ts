import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/**
 * Relays of a node may have one IPv4 address together, each with a port of its own. SQLite cannot take a constraint away
 * from a table, so it gets another one, which counts on from the numbers that the old one gave. Every relay had port 443
 * until now, so what was left behind was left with that.
 */
export const shareAddresses = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* sql.onDialectOrElse({
    pg: () =>
      Effect.gen(function*() {
        yield* sql`ALTER TABLE relays DROP CONSTRAINT relays_ip_v4_key`
        yield* sql`ALTER TABLE relays ADD CONSTRAINT relays_place UNIQUE (ip_v4, or_port)`
      }),
    orElse: () => rebuilt
  })
  yield* sql`ALTER TABLE quarantine ADD COLUMN or_port INTEGER`
  yield* sql`UPDATE quarantine SET or_port = 443 WHERE ip_v4 IS NOT NULL`
})

const rebuilt = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE shared_relays (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    node_id INTEGER NOT NULL REFERENCES nodes (id),
    name TEXT NOT NULL UNIQUE,
    slot INTEGER NOT NULL,
    ip_v4 TEXT NOT NULL,
    ip_v6 TEXT UNIQUE,
    or_port INTEGER NOT NULL,
    dir_port INTEGER,
    torrc TEXT NOT NULL DEFAULT '',
    fingerprint_rsa TEXT,
    fingerprint_ed25519 TEXT,
    alarm_rsa TEXT,
    alarm_ed25519 TEXT,
    alarm_at TEXT,
    blocked TEXT,
    formerly TEXT NOT NULL DEFAULT '',
    UNIQUE (node_id, slot),
    UNIQUE (ip_v4, or_port)
  )`
  const columns = sql.literal(
    "id, node_id, name, slot, ip_v4, ip_v6, or_port, dir_port, torrc, fingerprint_rsa, fingerprint_ed25519, alarm_rsa, " +
      "alarm_ed25519, alarm_at, blocked, formerly"
  )
  yield* sql`INSERT INTO shared_relays (${columns}) SELECT ${columns} FROM relays ORDER BY id`
  yield* sql`DELETE FROM sqlite_sequence WHERE name = 'shared_relays'`
  yield* sql`INSERT INTO sqlite_sequence (name, seq) SELECT 'shared_relays', seq FROM sqlite_sequence WHERE name = 'relays'`
  yield* sql`DROP TABLE relays`
  yield* sql`ALTER TABLE shared_relays RENAME TO relays`
})
