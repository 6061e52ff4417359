import { assert, describe, it } from "@effect/vitest"
import { NodeId } from "@patela/domain/node/NodeId"
import { RelayName } from "@patela/domain/relay/RelayName"
import { Context, Effect, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { readFileSync, writeFileSync } from "node:fs"
import { Allocator } from "../../src/allocate/Allocator.ts"
import { PoolSettings } from "../../src/allocate/PoolSettings.ts"
import { StoreServicesNoDatabase } from "../../src/commands/StoreServices.ts"
import { Administration } from "../../src/nodes/Administration.ts"
import { Nodes } from "../../src/nodes/Nodes.ts"
import { RelayAdministration } from "../../src/relays/RelayAdministration.ts"
import { Sessions } from "../../src/session/Sessions.ts"
import { NetworkAdministration } from "../../src/settings/NetworkAdministration.ts"
import { layerAt, layerOf, unmigrated } from "../../src/store/Store.ts"
import { TorrcLayers } from "../../src/torrc/TorrcLayers.ts"
import { transfer } from "../../src/transfer/transfer.ts"
import { patela } from "../rig/commandLine.ts"
import { enlistMany, network, node1, specs } from "../rig/Fleet.ts"
import { postgresForFile } from "../rig/postgresForFile.ts"
import { tableNames } from "../rig/tableNames.ts"
import { temporaryDirectory } from "../rig/temporaryDirectory.ts"
import { environment, poolVariables } from "../rig/TestApi.ts"
import { emptyDatabase, type TestDatabase } from "../rig/testDatabase.ts"

const cluster = postgresForFile()

const TIMEOUT = 180_000

const services = Layer.mergeAll(Allocator.layer, Sessions.layer).pipe(
  Layer.provide(Layer.provide(PoolSettings.layer, environment(poolVariables))),
  Layer.provideMerge(StoreServicesNoDatabase)
)

/** A fleet that lived a little: every kind of row, text of every kind, and numbers that were given and are gone. */
const lived = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* (yield* NetworkAdministration).set("täst", network)
  yield* (yield* TorrcLayers).import("o'brien", { of: "default" }, "ContactInfo \"Zoë %s $1 ?\"\n# \\ ' \" 🧀\n")
  const machines = yield* enlistMany(130)
  for (const { id } of machines.slice(0, 3)) {
    yield* (yield* Administration).setEnabled("test", id, true)
    yield* (yield* Allocator).allocate(yield* (yield* Administration).node(id), { ...specs, memory: 2 ** 40 })
  }
  yield* (yield* RelayAdministration).remove("test", RelayName.make("toma"))
  yield* (yield* Sessions).enter({ node: node1, epoch: 2, keys: "k", challenge: "c", made: 0, oldKey: false })
  yield* sql`INSERT INTO event_logs ${sql.insert({ node_id: node1, sha256: "00", event_log: "ab".repeat(500_000) })}`
  yield* sql`DELETE FROM nodes WHERE id = 130`
})

/** A file with such a fleet in it. */
const file = Effect.gen(function*() {
  const folder = yield* temporaryDirectory
  const path = `${folder}/patela.db`
  yield* Effect.scoped(Effect.provide(lived, Layer.provideMerge(services, layerAt(path))))
  return { folder, path }
})

/** All rows of all tables, but when migrations were applied. */
const contentOf = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const names = (yield* tableNames(sql)).filter((name) => name !== "patela_migrations")
  return new Map(
    yield* Effect.forEach(names, (name) =>
      Effect.map(sql`SELECT * FROM ${sql(name)}`, (rows) => {
        const texts = rows.map((row) =>
          JSON.stringify(Object.entries(row).toSorted(([one], [other]) => one < other ? -1 : 1))
        )
        return [name, texts.toSorted()] as const
      }))
  )
})

const at = ({ database }: TestDatabase) => unmigrated(database)

const moved = (path: string, { url }: TestDatabase, rehearse = false) =>
  transfer({ path, to: Redacted.make(url), who: "test", rehearse })

const target = Effect.flatMap(temporaryDirectory, emptyDatabase)

/** The URL for a user who owns the database, as `createdb --owner` has it, and may do nothing else. */
const ordinary = Effect.fnUntraced(function*({ url, database }: TestDatabase) {
  const { password } = cluster()
  const name = new URL(url).pathname.slice(1)
  yield* Effect.flatMap(SqlClient.SqlClient, (sql) =>
    Effect.andThen(
      sql.unsafe(`CREATE ROLE ordinary LOGIN PASSWORD '${password}'`),
      sql.unsafe(`ALTER DATABASE ${name} OWNER TO ordinary`)
    )).pipe(Effect.provide(Layer.fresh(unmigrated(database))))
  return Object.assign(new URL(url), { username: "ordinary" }).href
})

describe("patela migrate sqlite-to-postgres", () => {
  it.effect("copies every row of every table, and numbers go on where the file's ended", () =>
    Effect.gen(function*() {
      const { path } = yield* file
      const to = yield* target
      const bytes = readFileSync(path)
      const before = yield* Effect.provide(contentOf, layerAt(path))
      const copied = yield* moved(path, to)
      const after = yield* Effect.provide(contentOf, at(to))
      assert.deepStrictEqual([...after.keys()], [...before.keys()])
      for (const [name, rows] of before) {
        const there = after.get(name) ?? []
        assert.deepInclude(copied, { name, rows: rows.length })
        // The copy itself is the newest entry.
        if (name === "audit_head") continue
        if (name === "audit") assert.includeMembers([...there], [...rows])
        else assert.deepStrictEqual(there, rows, name)
      }
      assert.strictEqual(after.get("audit")?.length, (before.get("audit")?.length ?? 0) + 1)
      assert.deepStrictEqual(readFileSync(path), bytes, "the file is as it was")
      const next = yield* Effect.provide(
        Effect.gen(function*() {
          yield* (yield* Nodes).enlist({ ek_public: "new", ak_public: "new", ak_name: "new" }, {
            machines: 1000,
            days: 30
          })
          const node = (yield* (yield* Nodes).list).at(-1)
          if (node === undefined) return yield* Effect.die("it was not enlisted")
          yield* (yield* Allocator).allocate(node, specs)
          return node.id
        }),
        Layer.provideMerge(services, layerOf(to.database))
      )
      assert.strictEqual(next, NodeId.make(131), "130 was given once")
    }))

  it.effect("keeps nothing of a rehearsal, nor of a copy that fails, and refuses what is not empty", () =>
    Effect.gen(function*() {
      const { path } = yield* file
      const to = yield* target
      const sql = Context.get(yield* Layer.build(at(to)), SqlClient.SqlClient)
      const rehearsed = yield* moved(path, to, true)
      assert.deepInclude(rehearsed, { name: "nodes", rows: 129 })
      assert.deepStrictEqual(yield* tableNames(sql), [])

      yield* Effect.provide(
        Effect.flatMap(SqlClient.SqlClient, (own) => own`UPDATE nodes SET hostname = ${"a\u0000b"} WHERE id = 100`),
        layerAt(path)
      )
      const failed = yield* Effect.flip(moved(path, to))
      assert.match(failed.message, /^The table nodes cannot be copied: .*0x00.*Nothing was copied$/s)
      assert.deepStrictEqual(yield* tableNames(sql), [])

      yield* sql`CREATE TABLE mine (id INTEGER)`
      assert.include((yield* Effect.flip(moved(path, to))).message, "not empty: it has the tables mine")
      assert.deepStrictEqual(yield* tableNames(sql), ["mine"])
    }))

  it.effect("refuses a file of another version, no database, and no file", () =>
    Effect.gen(function*() {
      const { folder, path } = yield* file
      const to = yield* target
      const refusal = (from: string) => Effect.map(Effect.flip(moved(from, to)), ({ message }) => message)
      yield* Effect.provide(
        Effect.flatMap(SqlClient.SqlClient, (sql) => sql`DELETE FROM patela_migrations WHERE migration_id = 10`),
        unmigrated({ engine: "sqlite", path })
      )
      assert.include(yield* refusal(path), "is of another version")
      writeFileSync(`${folder}/text`, "hello, this is no database at all")
      assert.include(yield* refusal(`${folder}/text`), "not a database")
      assert.include(yield* refusal(`${folder}/nothing`), "cannot be opened")
      const sql = Context.get(yield* Layer.build(at(to)), SqlClient.SqlClient)
      assert.deepStrictEqual(yield* tableNames(sql), [])
    }))

  it.effect(
    "takes no password as an argument, and the one of the environment or of a file",
    () =>
      Effect.gen(function*() {
        const { folder, path } = yield* file
        const url = yield* ordinary(yield* target)
        const without = Object.assign(new URL(url), { password: "" }).href
        const run = (variables: Readonly<Record<string, string>>, ...args: ReadonlyArray<string>) =>
          patela({ HOME: folder, ...variables }, ["migrate", "sqlite-to-postgres", "--from", `sqlite:${path}`, ...args])
        const { password } = cluster()
        const refused = yield* run({}, "--to", url)
        assert.deepStrictEqual([refused.code, refused.stdout], [1, ""])
        assert.include(refused.stderr, "PATELA_DATABASE_PASSWORD")
        const wrong = yield* run({ PATELA_DATABASE_PASSWORD: "wrong" }, "--to", without)
        assert.strictEqual(wrong.code, 1)
        assert.include(wrong.stderr, "password authentication failed")
        writeFileSync(`${folder}/password`, `${password}\n`, { mode: 0o600 })
        const named = { PATELA_DATABASE_PASSWORD: `file:${folder}/password` }
        const dry = yield* run(named, "--to", without, "--dry-run")
        assert.deepStrictEqual([dry.code, dry.stderr], [0, ""])
        assert.include(dry.stdout, "Nothing was changed.")
        const done = yield* run({ DATABASE_URL: url }, "--json")
        assert.strictEqual(done.code, 0)
        assert.deepNestedInclude(JSON.parse(done.stdout), { dry_run: false })
        const list = yield* patela({ HOME: folder, DATABASE_URL: url }, ["list", "relay", "--json"])
        assert.strictEqual(JSON.parse(list.stdout).relays.length, 8)
        const again = yield* run({ DATABASE_URL: url })
        assert.strictEqual(again.code, 1)
        assert.include(again.stderr, "not empty")
        for (const each of [refused, wrong, dry, done, again]) assert.notInclude(each.stdout + each.stderr, password)
        const other = yield* run({ DATABASE_URL: `sqlite:${path}` })
        assert.include(other.stderr, "Say where it goes")
      }),
    TIMEOUT
  )
})
