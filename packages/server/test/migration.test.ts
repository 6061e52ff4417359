import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Result } from "effect"
import { Migrator, SqlClient } from "effect/sql"
import { AllocationSettings } from "../src/allocate/AllocationSettings.ts"
import { BootPolicy } from "../src/boot/BootPolicy.ts"
import { defaultSelection, selectionFromText } from "../src/boot/bootSelection.ts"
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
import { createSessions } from "../src/store/migrations/0007Sessions.ts"
import { addProof } from "../src/store/migrations/0008Proof.ts"
import { createTrust } from "../src/store/migrations/0009Trust.ts"
import { createBoots } from "../src/store/migrations/0010Boots.ts"
import * as SqliteClient from "../src/store/SqliteClient.ts"
import { layerAt, layerOf, MIGRATIONS, unmigrated } from "../src/store/Store.ts"
import { temporaryDirectory } from "./rig/temporaryDirectory.ts"
import { emptyDatabase } from "./rig/testDatabase.ts"

const first = {
  "0001_nodes": createNodes,
  "0002_relays": createRelays,
  "0003_settings": createSettings,
  "0004_audit": createAudit
}

const withRemovals = {
  ...first,
  "0005_generation": createGeneration,
  "0006_removed_relays": createRemovedRelays
}

const withBoots = {
  ...withRemovals,
  "0007_sessions": createSessions,
  "0008_proof": addProof,
  "0009_trust": createTrust,
  "0010_boots": createBoots
}

/** A database as an earlier version made it. */
const asItWas = (migrations: Parameters<typeof Migrator.fromRecord>[0]) =>
  Migrator.make({})({ loader: Migrator.fromRecord(migrations), table: "patela_migrations" })

describe("a database of before the generation", () => {
  it.effect("is brought to this version with what is in it", () =>
    Effect.gen(function*() {
      const { database } = yield* emptyDatabase(yield* temporaryDirectory)
      yield* Effect.provide(
        Effect.gen(function*() {
          yield* asItWas(first)
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

describe("a database of before relays shared addresses", () => {
  it.effect("keeps its relays, lets others onto their addresses with other ports, and counts on", () =>
    Effect.gen(function*() {
      const { database } = yield* emptyDatabase(yield* temporaryDirectory)
      const before = Object.fromEntries(
        Object.entries(MIGRATIONS).filter(([name]) => Number.parseInt(name, 10) < 15)
      )
      yield* Effect.provide(
        Effect.gen(function*() {
          yield* asItWas(before)
          const sql = yield* SqlClient.SqlClient
          yield* sql`INSERT INTO nodes (ek_public, ak_public, ak_name, first_seen, last_seen) VALUES ('a', 'b', 'c', '', '')`
          for (const [name, slot] of [["toma", 0], ["brie", 1], ["gouda", 2]] as const) {
            yield* sql`INSERT INTO relays (node_id, name, slot, ip_v4, ip_v6, or_port, torrc, formerly)
              VALUES (1, ${name}, ${slot}, ${`192.0.2.${slot}`}, ${`2001:db8::${slot + 1}`}, 443, 'NumCPUs 2', 'edam')`
          }
          yield* sql`DELETE FROM relays WHERE name = 'gouda'`
          yield* sql`INSERT INTO quarantine (node_id, name, slot, ip_v4, since)
            VALUES (1, 'gouda', 2, '192.0.2.2', '1970-01-01T00:00:00.000Z')`
          yield* sql`INSERT INTO quarantine (node_id, name, since) VALUES (1, 'feta', '1970-01-01T00:00:00.000Z')`
          yield* sql`INSERT INTO settings (name, value)
            VALUES ('allocation', '{"quarantine_hours":36,"relays_per_node":16}')`
        }),
        unmigrated(database)
      )
      yield* Effect.provide(
        Effect.gen(function*() {
          const sql = yield* SqlClient.SqlClient
          const relays = yield* (yield* Relays).list
          assert.deepStrictEqual(
            relays.map(({ id, ip_v4, ip_v6, name, or_port, slot }) =>
              `${id} ${name} ${slot} ${ip_v4} ${ip_v6} ${or_port}`
            ),
            ["1 toma 0 192.0.2.0 2001:db8::1 443", "2 brie 1 192.0.2.1 2001:db8::2 443"]
          )
          assert.deepInclude(relays[0], { torrc: "NumCPUs 2", formerly: "edam" })
          const held = yield* (yield* Quarantine).held
          assert.deepStrictEqual(held.map(({ name, or_port }) => [String(name), or_port]), [["gouda", 443], [
            "feta",
            null
          ]])
          assert.deepStrictEqual(yield* (yield* AllocationSettings).rules, {
            quarantine_hours: 36,
            relays_per_node: 16,
            relays_per_address: 1
          })
          const add = (name: string, slot: number, port: number) =>
            sql`INSERT INTO relays (node_id, name, slot, ip_v4, or_port) VALUES (1, ${name}, ${slot}, '192.0.2.1', ${port})`
          yield* add("edam", 3, 9001)
          assert.strictEqual((yield* Effect.flip(add("comte", 4, 9001)))._tag, "SqlError")
          assert.deepStrictEqual((yield* (yield* Relays).list).map(({ id }) => id), [1, 2, 4])
        }),
        Layer.provideMerge(StoreServicesNoDatabase, layerOf(database))
      )
    }))
})

describe("a database of before PCRs could be selected", () => {
  it.effect("keeps its allowed boots, for the PCRs that they are of", () =>
    Effect.gen(function*() {
      const path = `${yield* temporaryDirectory}/patela.db`
      const digest = "4f".repeat(32)
      yield* Effect.provide(
        Effect.gen(function*() {
          yield* asItWas(withBoots)
          const sql = yield* SqlClient.SqlClient
          yield* sql`INSERT INTO allowed_boots (digest, allowed_at) VALUES (${digest}, '')`
        }),
        SqliteClient.layer(path)
      )
      yield* Effect.provide(
        Effect.gen(function*() {
          const policy = yield* BootPolicy
          const digests = Effect.map(policy.allowed, (boots) => boots.map((boot) => boot.digest))
          assert.deepStrictEqual(yield* digests, [digest])
          yield* policy.select("test", Result.getOrThrow(selectionFromText("0", "sha256")))
          assert.deepStrictEqual(yield* digests, [])
          yield* policy.select("test", defaultSelection)
          assert.deepStrictEqual(yield* digests, [digest])
        }),
        Layer.provide(StoreServicesNoDatabase, layerAt(path))
      )
    }))
})

describe("a database of before the quarantine", () => {
  it.effect("keeps what nodes are told of removed relays, and their names back for what is left of the time", () =>
    Effect.gen(function*() {
      const path = `${yield* temporaryDirectory}/patela.db`
      yield* Effect.provide(
        Effect.gen(function*() {
          yield* asItWas(withRemovals)
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
