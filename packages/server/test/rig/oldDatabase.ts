import { Effect, Layer } from "effect"
import { Migrator, SqlClient } from "effect/sql"
import { Audit } from "../../src/audit/Audit.ts"
import { MIGRATIONS_TABLE } from "../../src/store/schemaVersion.ts"
import * as SqliteClient from "../../src/store/SqliteClient.ts"
import { MIGRATIONS } from "../../src/store/Store.ts"

type Value = string | number | null
type Row = Readonly<Record<string, Value>>

/** The numbers of the schemas that there were, oldest first. */
export const VERSIONS = Object.keys(MIGRATIONS).map((name) => Number.parseInt(name, 10))

const KEYS = { ek_public: "00aa", ak_public: "00bb", ak_name: "000b" }

/** Rows that a database of any version may have had. Columns and tables that a version did not have yet are left out. */
const ROWS: Readonly<Record<string, ReadonlyArray<Row>>> = {
  nodes: [
    {
      ...KEYS,
      enabled: 1,
      epoch: 4,
      authenticated_at: "2026-01-01T00:00:00.000Z",
      first_seen: "2025-12-31T23:59:59.999Z",
      last_seen: "2026-01-02T00:00:00.000Z",
      n_cpus: 8,
      memory: 512 * 1024 ** 3,
      cpu_name: "EPYC \u{1f9c0} '; DROP TABLE nodes; --",
      hostname: "rack1-\u00e9",
      kernel: "6.1.0",
      agent_version: "0.1.0",
      tor_version: "0.4.9.11",
      reported_at: "2026-01-02T00:00:00.000Z",
      torrc: "NumCPUs 2\n# caf\u00e9\n",
      relays_override: 2,
      geoip_override: 0,
      generation: 3,
      rolled_back: "no new connection to the server",
      proven_at: "2025-12-31T23:59:59.999Z",
      ek_root: "4f".repeat(32)
    },
    { ...KEYS, ak_name: "000c", first_seen: "2026-01-01T00:00:00.000Z", last_seen: "2026-01-01T00:00:00.000Z" }
  ],
  relays: [
    {
      node_id: 1,
      name: "toma",
      slot: 0,
      ip_v4: "192.0.2.10",
      ip_v6: "2001:db8::10",
      or_port: 443,
      torrc: "Nickname x\n",
      fingerprint_rsa: "A".repeat(40),
      fingerprint_ed25519: "a".repeat(43),
      alarm_rsa: "B".repeat(40),
      alarm_ed25519: "b".repeat(43),
      alarm_at: "2026-01-02T00:00:00.000Z",
      blocked: "its torrc is refused"
    },
    { node_id: 1, name: "brie", slot: 3, ip_v4: "192.0.2.11", or_port: 443 }
  ],
  settings: [
    { name: "torrc", value: "ContactInfo me@example.org\n" },
    {
      name: "network",
      value: JSON.stringify({
        gateway_v4: "192.0.2.1",
        gateway_v6: null,
        dns: ["192.0.2.53"],
        geoip: false,
        test_network: false
      })
    }
  ],
  removed_relays: [{ node_id: 1, name: "fontina", removed_at: "2026-01-02T00:00:00.000Z" }],
  pools: [
    { family: "ipv4", first_address: "192.0.2.10", last_address: "192.0.2.99", prefix: 24, reserved: "192.0.2.20" },
    { family: "ipv6", first_address: "2001:db8::10", last_address: "2001:db8::ff", prefix: 64 }
  ],
  quarantine: [
    {
      node_id: 1,
      name: "robiola",
      slot: 1,
      ip_v4: "192.0.2.12",
      ip_v6: null,
      or_port: 443,
      since: "2026-01-02T00:00:00.000Z"
    }
  ],
  family_keys: [{ serial: 1, family_id: "a".repeat(43), secret: "55".repeat(64), made_at: "2026-01-01T00:00:00.000Z" }],
  // Of the node that waits, which is told nothing.
  held_configs: [{ node_id: 2, relays: "[]", node: "{}" }],
  sessions: [
    {
      challenge: "00".repeat(16),
      node_id: 1,
      epoch: 4,
      began_at: "2026-01-02T00:00:00.000Z",
      ends_at: "2026-01-02T00:15:00.000Z",
      boot: JSON.stringify([{ pcr: 0, value: "11".repeat(32) }])
    }
  ],
  allowed_eks: [{ ek_sha256: "22".repeat(32), allowed_at: "2026-01-01T00:00:00.000Z" }],
  shown_boots: [
    { node_id: 1, boot: JSON.stringify([{ pcr: 0, value: "11".repeat(32) }]), shown_at: "2026-01-02T00:00:00.000Z" }
  ],
  event_logs: [{ node_id: 1, sha256: "33".repeat(32), event_log: "00ff" }],
  allowed_boots: [{
    digest: "44".repeat(32),
    pcrs: "0,2,4,7,12,13,14",
    boot: null,
    learned_from: 1,
    allowed_at: "2026-01-01T00:00:00.000Z"
  }]
}

/** Tables that hold rows from their making on, or that `Audit` fills. */
const OWN_ROWS = new Set(["generation", "audit", "audit_head", MIGRATIONS_TABLE])

const CHANGES = [
  { who: "alice", what: "network set", before: null, after: "{}" },
  { who: "node 1", what: "relays allocated", before: "", after: "toma brie" },
  { who: "o'neil", what: "torrc of default imported", before: "", after: "ContactInfo \u00e9\u{1f9c0}\n" }
]

const tables = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) =>
    sql<
      { name: string }
    >`SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY rowid`
)
  .pipe(Effect.map((rows) => rows.map(({ name }) => name)))

const columnsOf = (table: string) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql<{ name: string; type: string; pk: number }>`SELECT name, type, pk FROM pragma_table_info(${table})`
  )

/** A row for a table that `ROWS` does not know: whoever adds one whose constraints refuse it writes a row there. */
const plainRow = (table: string) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const references = yield* sql<{ from: string }>`SELECT "from" FROM pragma_foreign_key_list(${table})`
    const foreign = new Set(references.map(({ from }) => from))
    const columns = yield* columnsOf(table)
    return [
      Object.fromEntries(columns.map(({ name, type }): [string, Value] => [
        name,
        foreign.has(name) || type !== "TEXT" ? 1 : `${table} ${name}`
      ]))
    ]
  })

const fill = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  for (const table of yield* tables) {
    if (OWN_ROWS.has(table)) continue
    const known = new Set((yield* columnsOf(table)).map(({ name }) => name))
    for (const row of ROWS[table] ?? (yield* plainRow(table))) {
      const own = Object.fromEntries(Object.entries(row).filter(([column]) => known.has(column)))
      yield* sql`INSERT INTO ${sql(table)} ${sql.insert(own)}`
    }
  }
  const names = yield* tables
  if (names.includes("generation")) yield* sql`UPDATE generation SET value = 41`
  if (names.includes("audit_head")) {
    const { record } = yield* Audit
    yield* Effect.forEach(CHANGES, record)
  } else if (names.includes("audit")) {
    for (const { who, what, before, after } of CHANGES) {
      const happened_at = "2026-01-01T00:00:00.000Z"
      yield* sql`INSERT INTO audit ${sql.insert({ happened_at, who, what, value_before: before, value_after: after })}`
    }
  }
})

/** All rows of every table, by table, in the order in which they were written. */
export const everything = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const found = new Map<string, ReadonlyArray<object>>()
  for (const table of yield* tables) found.set(table, yield* sql`SELECT * FROM ${sql(table)} ORDER BY rowid`)
  return found
})

/** Makes the database that a Patela of that version would have left, with rows in every table, and says what is in it. */
export const oldDatabase = Effect.fn("oldDatabase")((path: string, version: number) => {
  const steps = Object.fromEntries(
    Object.entries(MIGRATIONS).filter(([name]) => Number.parseInt(name, 10) <= version)
  )
  const migrate = Migrator.make({})({ loader: Migrator.fromRecord(steps), table: MIGRATIONS_TABLE })
  return Effect.andThen(migrate, Effect.andThen(fill, everything)).pipe(
    Effect.provide(Audit.layer.pipe(Layer.provideMerge(SqliteClient.layer(path))))
  )
})
