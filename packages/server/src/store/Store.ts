import { Effect, Layer, Schema } from "effect"
import { Migrator, type SqlClient, SqlError } from "effect/sql"
import { dirname } from "node:path"
import type { Database, PostgresDatabase } from "./DatabaseUrl.ts"
import { createNodes } from "./migrations/0001Nodes.ts"
import { createRelays } from "./migrations/0002Relays.ts"
import { createSettings } from "./migrations/0003Settings.ts"
import { createAudit } from "./migrations/0004Audit.ts"
import { createGeneration } from "./migrations/0005Generation.ts"
import { createRemovedRelays } from "./migrations/0006RemovedRelays.ts"
import { createSessions } from "./migrations/0007Sessions.ts"
import { addProof } from "./migrations/0008Proof.ts"
import { createTrust } from "./migrations/0009Trust.ts"
import { createBoots } from "./migrations/0010Boots.ts"
import { createPools } from "./migrations/0011Pools.ts"
import { createFamiliesAndRollouts } from "./migrations/0012FamiliesAndRollouts.ts"
import { chainAudit } from "./migrations/0013AuditChain.ts"
import { addKeysAndSelections } from "./migrations/0014KeysAndSelections.ts"
import { shareAddresses } from "./migrations/0015SharedAddresses.ts"
import { addNodeClocks } from "./migrations/0017NodeClocks.ts"
import { Notices } from "./Notices.ts"
import { MIGRATIONS_TABLE, schemaVersion } from "./schemaVersion.ts"
import { settingsDatabase } from "./settingsDatabase.ts"
import * as SqliteClient from "./SqliteClient.ts"
import { sqlMessage } from "./sqlMessage.ts"

/** The database cannot be used: not opened, or not brought to this version. */
export class StoreUnusable extends Schema.TaggedError<StoreUnusable>()("StoreUnusable", { message: Schema.String }) {}

/** Every step from an empty database to this version, by number; a step never changes once it was released. */
export const MIGRATIONS = {
  "0001_nodes": createNodes,
  "0002_relays": createRelays,
  "0003_settings": createSettings,
  "0004_audit": createAudit,
  "0005_generation": createGeneration,
  "0006_removed_relays": createRemovedRelays,
  "0007_sessions": createSessions,
  "0008_proof": addProof,
  "0009_trust": createTrust,
  "0010_boots": createBoots,
  "0011_pools": createPools,
  "0012_families_and_rollouts": createFamiliesAndRollouts,
  "0013_audit_chain": chainAudit,
  "0014_keys_and_selections": addKeysAndSelections,
  "0015_shared_addresses": shareAddresses,
  "0017_node_clocks": addNodeClocks
}

/** The newest of them. */
export const NEWEST_SCHEMA = Math.max(...Object.keys(MIGRATIONS).map((name) => Number.parseInt(name, 10)))

const whyNot = (error: Migrator.MigrationError | SqlError.SqlError): string =>
  error._tag === "SqlError"
    ? sqlMessage(error)
    : SqlError.isSqlError(error.cause)
    ? `${error.message}: ${sqlMessage(error.cause)}`
    : error.message

/** Brings the database to this version. */
export const migrate = Migrator.make({})({ loader: Migrator.fromRecord(MIGRATIONS), table: MIGRATIONS_TABLE }).pipe(
  Effect.mapError((error) =>
    new StoreUnusable({ message: `The database could not be brought to this version: ${whyNot(error)}` })
  )
)

/**
 * The same where it is not. To see that it is takes no lock: a backup (pg_dump reads every table in one transaction) would
 * else keep every command waiting to its end. A newer Patela may have changed what this one would read, or write, wrongly.
 */
const migrateWhereOld = Effect.gen(function*() {
  // There is no such table yet.
  const version = yield* Effect.orElseSucceed(schemaVersion, () => 0)
  if (version > NEWEST_SCHEMA) {
    return yield* new StoreUnusable({
      message:
        `The database is of a newer Patela: its schema is ${version}, and this one knows up to ${NEWEST_SCHEMA}. ` +
        "Use that version, or put back a backup of before the upgrade with `patela restore FILE --replace`"
    })
  }
  if (version < NEWEST_SCHEMA) yield* migrate
})

const sqlite = (path: string) =>
  Layer.merge(SqliteClient.layer(path), Notices.polling).pipe(
    Layer.catch((error) =>
      Layer.effectContext(Effect.fail(
        new StoreUnusable({
          message:
            `The database ${path} cannot be opened: ${error.reason.message}. Check that the folder ${dirname(path)} ` +
            "exists and that you may write in it."
        })
      ))
    )
  )

// Loaded only where it is used: it is most of what a command with a SQLite file would load.
const postgres = (database: PostgresDatabase) =>
  Layer.unwrap(Effect.map(Effect.promise(() => import("./PostgresClient.ts")), ({ layer }) => layer(database))).pipe(
    Layer.catch((error) =>
      Layer.effectContext(Effect.fail(
        new StoreUnusable({
          message:
            `The PostgreSQL database cannot be used: ${sqlMessage(error)}. Check the host, port, name, user and ` +
            "password of its URL, that PostgreSQL runs, and that its pg_hba.conf lets this machine in."
        })
      ))
    )
  )

/** A database as it is, whatever its version. */
export const unmigrated = (database: Database): Layer.Layer<SqlClient.SqlClient | Notices, StoreUnusable> =>
  database.engine === "sqlite" ? sqlite(database.path) : postgres(database)

/** A database, with every migration applied. */
export const layerOf = (database: Database): Layer.Layer<SqlClient.SqlClient | Notices, StoreUnusable> =>
  Layer.provideMerge(Layer.effectDiscard(migrateWhereOld), unmigrated(database))

/** The SQLite file at `path`, with every migration applied. */
export const layerAt = (path: string): Layer.Layer<SqlClient.SqlClient | Notices, StoreUnusable> =>
  layerOf({ engine: "sqlite", path })

/** What the settings name. */
export const layer = Layer.unwrap(
  Effect.gen(function*() {
    return layerOf(yield* settingsDatabase)
  })
)
