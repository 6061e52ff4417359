import { assert, describe, it } from "@effect/vitest"
import { NodeId } from "@patela/domain/node/NodeId"
import { RelayName } from "@patela/domain/relay/RelayName"
import { Effect, Layer, Option } from "effect"
import { DatabaseSync } from "node:sqlite"
import { Audit } from "../src/audit/Audit.ts"
import { verifyAudit } from "../src/audit/verifyAudit.ts"
import { restore } from "../src/backup/restore.ts"
import { StoreServicesNoDatabase } from "../src/commands/StoreServices.ts"
import { Generation } from "../src/generation/Generation.ts"
import { Administration } from "../src/nodes/Administration.ts"
import { Nodes } from "../src/nodes/Nodes.ts"
import { RelayAdministration } from "../src/relays/RelayAdministration.ts"
import { Relays } from "../src/relays/Relays.ts"
import { Settings } from "../src/settings/Settings.ts"
import { integrityFaults } from "../src/store/integrityFaults.ts"
import { MIGRATIONS_TABLE } from "../src/store/schemaVersion.ts"
import { layerAt, NEWEST_SCHEMA } from "../src/store/Store.ts"
import { everything, oldDatabase, VERSIONS } from "./rig/oldDatabase.ts"
import { temporaryDirectory } from "./rig/temporaryDirectory.ts"

const node1 = NodeId.make(1)

const newest = (path: string) => Layer.provideMerge(StoreServicesNoDatabase, layerAt(path))

/** That every row which was there is there, with the values that it had, and at most more columns. */
const kept = (before: Map<string, ReadonlyArray<object>>, after: Map<string, ReadonlyArray<object>>) => {
  for (const [table, rows] of before) {
    const now = after.get(table) ?? []
    if (table !== MIGRATIONS_TABLE) assert.strictEqual(now.length, rows.length, table)
    for (const [index, row] of rows.entries()) assert.deepInclude(now[index], row, table)
  }
}

describe("a database of an earlier version", () => {
  for (const version of VERSIONS) {
    it.effect(`law: of schema ${version} is brought to this one with all that is in it, and works`, () =>
      Effect.gen(function*() {
        const path = `${yield* temporaryDirectory}/patela.db`
        const before = yield* oldDatabase(path, version)
        assert.isAtLeast(before.size, 2)
        yield* Effect.gen(function*() {
          const after = yield* everything
          kept(before, after)
          assert.deepStrictEqual(yield* integrityFaults, [])
          const { head, faults } = yield* verifyAudit()
          assert.deepStrictEqual(faults, [])
          assert.strictEqual(head.id, before.get("audit")?.length ?? 0)
          assert.strictEqual(yield* (yield* Generation).current, version < 5 ? 1 : 41)

          const nodes = yield* (yield* Nodes).list
          assert.deepStrictEqual(nodes.map(({ enabled }) => enabled), [true, false])
          assert.strictEqual((yield* (yield* Relays).list).length, version < 2 ? 0 : 2)
          assert.strictEqual(Option.isSome(yield* (yield* Settings).network), version >= 3)
          yield* (yield* Administration).set("test", node1, "geoip", "on")
          if (version >= 2) yield* (yield* RelayAdministration).remove("test", RelayName.make("toma"))
          const [entry] = yield* (yield* Audit).newest(1)
          assert.isAbove(entry?.id ?? 0, head.id)
          assert.deepStrictEqual((yield* verifyAudit()).faults, [])
        }).pipe(Effect.provide(newest(path)))
        const started = Effect.map(Effect.provide(everything, newest(path)), (found) => JSON.stringify([...found]))
        assert.strictEqual(yield* started, yield* started, "a second start changes nothing")
      }))

    it.effect(`a backup of schema ${version} can be restored`, () =>
      Effect.gen(function*() {
        const folder = yield* temporaryDirectory
        const before = yield* oldDatabase(`${folder}/old.db`, version)
        const source = `${folder}/old.db`
        const restored = yield* restore({ who: "test", source, target: `${folder}/patela.db`, replace: false })
        assert.deepInclude(restored, { version: NEWEST_SCHEMA, nodes: 2, relays: version < 2 ? 0 : 2 })
        assert.strictEqual(restored.audit?.id, (before.get("audit")?.length ?? 0) + 1)
      }))
  }

  it.effect("that is of a newer version is refused and left as it is", () =>
    Effect.gen(function*() {
      const path = `${yield* temporaryDirectory}/patela.db`
      yield* oldDatabase(path, NEWEST_SCHEMA)
      new DatabaseSync(path).exec(`INSERT INTO ${MIGRATIONS_TABLE} (migration_id, name) VALUES (9999, 'later')`)
      const error = yield* Effect.flip(Effect.provide(everything, layerAt(path)))
      assert.include(error.message, "of a newer Patela: its schema is 9999")
    }))
})
