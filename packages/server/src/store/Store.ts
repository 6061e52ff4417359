import { Config, Effect, Layer, Option, Schema } from "effect"
import { Migrator, type SqlClient } from "effect/sql"
import { dirname } from "node:path"
import { sqlitePathOf } from "./DatabaseUrl.ts"
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
import { MIGRATIONS_TABLE, schemaVersion } from "./schemaVersion.ts"
import * as SqliteClient from "./SqliteClient.ts"

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
  "0014_keys_and_selections": addKeysAndSelections
}

/** The newest of them. */
export const NEWEST_SCHEMA = Math.max(...Object.keys(MIGRATIONS).map((name) => Number.parseInt(name, 10)))

const migrate = Migrator.make({})({ loader: Migrator.fromRecord(MIGRATIONS), table: MIGRATIONS_TABLE })

/** A newer Patela may have changed what this one would then read, or write, wrongly. */
const notNewer = Effect.flatMap(schemaVersion, (version) =>
  version <= NEWEST_SCHEMA ? Effect.void : Effect.fail(
    new StoreUnusable({
      message:
        `The database is of a newer Patela: its schema is ${version}, and this one knows up to ${NEWEST_SCHEMA}. ` +
        "Use that version, or put back a backup of before the upgrade with `patela restore FILE --replace`"
    })
  ))

const migrated = Layer.effectDiscard(
  Effect.andThen(migrate, notNewer).pipe(
    Effect.mapError((error) =>
      error._tag === "StoreUnusable"
        ? error
        : new StoreUnusable({ message: `The database could not be brought to this version: ${error.message}` })
    )
  )
)

/** The SQLite file at `path`, with every migration applied. */
export const layerAt = (path: string): Layer.Layer<SqlClient.SqlClient, StoreUnusable> => {
  const client = SqliteClient.layer(path).pipe(
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
  return Layer.provideMerge(migrated, client)
}

/** What DATABASE_URL names. */
export const layer = Layer.unwrap(
  Effect.gen(function*() {
    const url = yield* Effect.orDie(Config.option(Config.String("DATABASE_URL")))
    return layerAt(yield* Effect.fromResult(sqlitePathOf(Option.getOrUndefined(url))))
  })
)
