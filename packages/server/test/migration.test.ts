import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Migrator, SqlClient } from "effect/sql"
import { StoreServicesNoDatabase } from "../src/commands/StoreServices.ts"
import { Generation } from "../src/generation/Generation.ts"
import { Nodes } from "../src/nodes/Nodes.ts"
import { Quarantine } from "../src/relays/Quarantine.ts"
import { Relays } from "../src/relays/Relays.ts"
import { RemovedRelays } from "../src/relays/RemovedRelays.ts"
import { createNodes } from "../src/store/migrations/0001Nodes.ts"
import { createRelays } from "../src/store/migrations/0002Relays.ts"
import { createSettings } from "../src/store/migrations/0003Settings.ts"
import { createAudit } from "../src/store/migrations/0004Audit.ts"
import { createGeneration } from "../src/store/migrations/0005Generation.ts"
import { createRemovedRelays } from "../src/store/migrations/0006RemovedRelays.ts"
import * as SqliteClient from "../src/store/SqliteClient.ts"
import { layerAt } from "../src/store/Store.ts"
import { temporaryDirectory } from "./rig/temporaryDirectory.ts"

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
      const path = `${yield* temporaryDirectory}/patela.db`
      yield* Effect.provide(
        Effect.gen(function*() {
          yield* asItWas
          const sql = yield* SqlClient.SqlClient
          yield* sql`INSERT INTO nodes (ek_public, ak_public, ak_name, first_seen, last_seen) VALUES ('a', 'b', 'c', '', '')`
          yield* sql`INSERT INTO relays (node_id, name, slot, ip_v4, or_port) VALUES (1, 'toma', 0, '192.0.2.10', 443)`
        }),
        SqliteClient.layer(path)
      )
      yield* Effect.provide(
        Effect.gen(function*() {
          const [node] = yield* (yield* Nodes).list
          assert.deepInclude(node, { ek_public: "a", generation: null, rolled_back: null })
          assert.strictEqual((yield* (yield* Relays).list).length, 1)
          assert.strictEqual(yield* (yield* Generation).current, 1)
        }),
        Layer.provide(StoreServicesNoDatabase, layerAt(path))
      )
    }))
})

const withRemovals = Migrator.make({})({
  loader: Migrator.fromRecord({
    "0001_nodes": createNodes,
    "0002_relays": createRelays,
    "0003_settings": createSettings,
    "0004_audit": createAudit,
    "0005_generation": createGeneration,
    "0006_removed_relays": createRemovedRelays
  }),
  table: "patela_migrations"
})

describe("a database of before the quarantine", () => {
  it.effect("keeps what nodes are told of removed relays, and their names back for what is left of the time", () =>
    Effect.gen(function*() {
      const path = `${yield* temporaryDirectory}/patela.db`
      yield* Effect.provide(
        Effect.gen(function*() {
          yield* withRemovals
          const sql = yield* SqlClient.SqlClient
          yield* sql`INSERT INTO nodes (ek_public, ak_public, ak_name, first_seen, last_seen) VALUES ('a', 'b', 'c', '', '')`
          for (const [name, at] of [["toma", "1969-12-24"], ["brie", "1969-12-26"], ["gouda", "1970-01-01"]]) {
            yield* sql`INSERT INTO removed_relays (node_id, name, removed_at)
              VALUES (1, ${name ?? ""}, ${`${at}T00:00:00.000Z`})`
          }
        }),
        SqliteClient.layer(path)
      )
      yield* Effect.provide(
        Effect.gen(function*() {
          // The test's clock stands at the beginning of 1970.
          const [node] = yield* (yield* Nodes).list
          if (node === undefined) return assert.fail("no node")
          assert.deepInclude(node, { relays_by_hardware: null, allocation_refused: null })
          const removed = yield* (yield* RemovedRelays).ofNode(node.id)
          assert.deepStrictEqual(removed.map(String), ["gouda", "brie", "toma"])
          const held = yield* (yield* Quarantine).held
          assert.deepStrictEqual(held.map(({ name, slot }) => `${name} ${slot}`), ["brie null", "gouda null"])
        }),
        Layer.provide(StoreServicesNoDatabase, layerAt(path))
      )
    }))
})
