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
import { addKeysAndSelections } from "./migrations/0014KeysAndSelections.ts"
import * as SqliteClient from "./SqliteClient.ts"

/** The database cannot be used: not opened, or not brought to this version. */
export class StoreUnusable extends Schema.TaggedError<StoreUnusable>()("StoreUnusable", { message: Schema.String }) {}

const migrate = Migrator.make({})({
  loader: Migrator.fromRecord({
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
    "0014_keys_and_selections": addKeysAndSelections
  }),
  table: "patela_migrations"
})

const migrated = Layer.effectDiscard(
  migrate.pipe(
    Effect.mapError(({ message }) =>
      new StoreUnusable({ message: `The database could not be brought to this version: ${message}` })
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
