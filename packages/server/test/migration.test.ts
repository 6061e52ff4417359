import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Migrator, SqlClient } from "effect/sql"
import { StoreServicesNoDatabase } from "../src/commands/StoreServices.ts"
import { Generation } from "../src/generation/Generation.ts"
import { Nodes } from "../src/nodes/Nodes.ts"
import { Relays } from "../src/relays/Relays.ts"
import { createNodes } from "../src/store/migrations/0001Nodes.ts"
import { createRelays } from "../src/store/migrations/0002Relays.ts"
import { createSettings } from "../src/store/migrations/0003Settings.ts"
import { createAudit } from "../src/store/migrations/0004Audit.ts"
import { layerOf, unmigrated } from "../src/store/Store.ts"
import { temporaryDirectory } from "./rig/temporaryDirectory.ts"
import { emptyDatabase } from "./rig/testDatabase.ts"

const asItWas = Migrator.make({})({
  loader: Migrator.fromRecord({
    "0001_nodes": createNodes,
    "0002_relays": createRelays,
    "0003_settings": createSettings,
    "0004_audit": createAudit
  }),
  table: "patela_migrations"
})

describe("a database of before the generation", () => {
  it.effect("is brought to this version with what is in it", () =>
    Effect.gen(function*() {
      const { database } = yield* emptyDatabase(yield* temporaryDirectory)
      yield* Effect.provide(
        Effect.gen(function*() {
          yield* asItWas
          const sql = yield* SqlClient.SqlClient
          yield* sql`INSERT INTO nodes (ek_public, ak_public, ak_name, first_seen, last_seen) VALUES ('a', 'b', 'c', '', '')`
          yield* sql`INSERT INTO relays (node_id, name, slot, ip_v4, or_port) VALUES (1, 'toma', 0, '192.0.2.10', 443)`
        }),
        unmigrated(database)
      )
      yield* Effect.provide(
        Effect.gen(function*() {
          const [node] = yield* (yield* Nodes).list
          assert.deepInclude(node, { ek_public: "a", generation: null, rolled_back: null })
          assert.strictEqual((yield* (yield* Relays).list).length, 1)
          assert.strictEqual(yield* (yield* Generation).current, 1)
        }),
        Layer.provide(StoreServicesNoDatabase, layerOf(database))
      )
    }))
})
