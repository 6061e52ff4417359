import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted, Schema } from "effect"
import { existsSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"
import { Audit } from "../src/audit/Audit.ts"
import { verifyAudit } from "../src/audit/verifyAudit.ts"
import { backUp } from "../src/backup/backUp.ts"
import { inspectCopy } from "../src/backup/inspectCopy.ts"
import { restore } from "../src/backup/restore.ts"
import { StoreServicesNoDatabase } from "../src/commands/StoreServices.ts"
import { Administration } from "../src/nodes/Administration.ts"
import { Nodes } from "../src/nodes/Nodes.ts"
import { newTokenKey, TokenKey } from "../src/session/TokenKey.ts"
import { Tokens } from "../src/session/Tokens.ts"
import { NetworkAdministration } from "../src/settings/NetworkAdministration.ts"
import { layerAt } from "../src/store/Store.ts"
import { TorrcLayers } from "../src/torrc/TorrcLayers.ts"
import { patela, type Ran, runServer } from "./rig/commandLine.ts"
import { enlistMany, network, node1, tokenOf } from "./rig/Fleet.ts"
import { httpsAsk } from "./rig/httpsAsk.ts"
import { selfSigned } from "./rig/selfSigned.ts"
import { temporaryDirectory } from "./rig/temporaryDirectory.ts"

const TIMEOUT = 120_000

const Copy = Schema.Struct({
  file: Schema.String,
  nodes: Schema.Int,
  generation: Schema.Int,
  audit: Schema.Struct({ id: Schema.Int, digest: Schema.String })
})
const Made = Schema.fromJsonString(Schema.Struct({ ...Copy.fields, bytes: Schema.Int }))
const Put = Schema.fromJsonString(Schema.Struct({ ...Copy.fields, kept_as: Schema.NullOr(Schema.String) }))

const failed = ({ code, stdout, stderr }: Ran, what: string) => {
  assert.deepStrictEqual([code, stdout], [1, ""], stderr)
  assert.include(stderr, what)
}

const services = (path: string) => Layer.provide(StoreServicesNoDatabase, layerAt(path))

/** A database with so many waiting machines, the first of which is enabled. */
const database = (path: string, machines: number) =>
  Effect.gen(function*() {
    yield* enlistMany(machines)
    if (machines > 0) yield* (yield* Administration).setEnabled("test", node1, true)
  }).pipe(Effect.provide(services(path)))

/** What a server needs to run, with a node that has a token, and nothing of this process that has the database open. */
const house = Effect.gen(function*() {
  const folder = yield* temporaryDirectory
  const { cert, key, pem } = yield* selfSigned(folder)
  const private_ = yield* newTokenKey
  writeFileSync(`${folder}/token.key`, Redacted.value(private_), { mode: 0o600 })
  const path = `${folder}/patela.db`
  yield* database(path, 1)
  const tokens = Tokens.layer.pipe(Layer.provide(Layer.succeed(TokenKey, TokenKey.of({ private: private_, old: [] }))))
  const token = yield* Effect.gen(function*() {
    yield* (yield* TorrcLayers).import("test", { of: "default" }, "ContactInfo me@example.org\n")
    yield* (yield* NetworkAdministration).set("test", network)
    return yield* tokenOf(node1)
  }).pipe(Effect.provide(Layer.provideMerge(tokens, services(path))))
  const variables = {
    HOME: folder,
    DATABASE_URL: `sqlite:${path}`,
    PATELA_BISCUIT_KEY: `file:${folder}/token.key`,
    PATELA_FIRST_V4: "192.0.2.10",
    PATELA_PREFIX_V4: "24"
  }
  return {
    folder,
    path,
    token,
    cli: (args: ReadonlyArray<string>) => patela(variables, args),
    start: runServer(variables, ["--cert", cert, "--key", key]),
    ask: (port: number, bearer: string) =>
      httpsAsk({ port, ca: pem, path: "/private/config/resolved/node", token: bearer })
  }
})

describe("patela backup and restore", () => {
  it.live(
    "copy a database that a server is at work on, and put it back once that ended",
    () =>
      Effect.gen(function*() {
        const { cli, folder, path, ask, token, start } = yield* house
        const server = yield* start
        const copy = `${folder}/copy.db`
        const backup = yield* cli(["backup", copy, "--json"])
        assert.strictEqual(backup.code, 0, backup.stderr)
        const made = yield* Schema.decodeEffect(Made)(backup.stdout)
        assert.deepInclude(made, { file: copy, nodes: 1, bytes: statSync(copy).size })
        assert.strictEqual(statSync(copy).mode & 0o777, 0o600)
        const seen = Effect.provide(verifyAudit(made.audit), layerAt(path))
        assert.deepStrictEqual((yield* seen).faults, [])
        assert.include((yield* Effect.flip(backUp(path, copy))).message, "exists already")

        failed(yield* cli(["restore", copy, "--replace"]), "Stop every patela")
        assert.strictEqual(
          (yield* ask(server.port, token)).status,
          200,
          "nothing happened"
        )
        yield* Effect.provide(
          Effect.flatMap(Administration, ({ set }) => set("test", node1, "geoip", "on")),
          services(path)
        )
        assert.strictEqual(yield* server.stop, 0)
        const refused = restore({ who: "test", source: copy, target: path, replace: false })
        assert.include((yield* Effect.flip(refused)).message, "--replace")
        const put = yield* cli(["restore", copy, "--replace", "--json"])
        assert.strictEqual(put.code, 0, put.stderr)
        const restored = yield* Schema.decodeEffect(Put)(put.stdout)
        assert.deepInclude(restored, { file: `${folder}/patela.db`, nodes: 1, generation: made.generation })
        assert.strictEqual(restored.audit.id, made.audit.id + 1)
        assert.deepStrictEqual((yield* seen).faults, [], "the log goes on from the backup's")
        const [last] = yield* Effect.provide(
          Effect.flatMap(Audit, ({ newest }) => newest(1)),
          Layer.provide(Audit.layer, layerAt(path))
        )
        assert.strictEqual(last?.what, "database restored")
        assert.isTrue(existsSync(restored.kept_as ?? ""))
        assert.include(yield* inspectCopy(restored.kept_as ?? ""), { nodes: 1, generation: made.generation + 1 })

        const again = yield* start
        assert.strictEqual((yield* ask(again.port, token)).status, 401, "tokens of before are of no use")
        yield* again.kill
        assert.isEmpty(readdirSync(folder).filter((name) => /partial|restoring/.test(name)))
      }),
    TIMEOUT
  )

  it.effect("law: what is no whole backup changes nothing, and leaves nothing", () =>
    Effect.gen(function*() {
      const folder = yield* temporaryDirectory
      const [path, good] = [`${folder}/patela.db`, `${folder}/good.db`]
      yield* database(path, 2)
      yield* database(good, 3)
      const broken: Record<string, (file: string) => void> = {
        empty: (file) => writeFileSync(file, ""),
        text: (file) => writeFileSync(file, "ContactInfo me@example.org\n".repeat(100)),
        cut: (file) => {
          writeFileSync(file, readFileSync(good))
          truncateSync(file, statSync(good).size - 8192)
        },
        damaged: (file) => {
          const bytes = readFileSync(good)
          // Every page but the first, whose header says what the file is (sqlite.org/fileformat2).
          for (let at = 4096; at < bytes.length; at += 4096) bytes.fill(0xa5, at, at + 64)
          writeFileSync(file, bytes)
        },
        newer: (file) => {
          writeFileSync(file, readFileSync(good))
          new DatabaseSync(file).exec("INSERT INTO patela_migrations (migration_id, name) VALUES (9999, 'later')")
        },
        foreign: (file) => new DatabaseSync(file).exec("CREATE TABLE t (a); INSERT INTO t VALUES (1)"),
        audit: (file) => {
          writeFileSync(file, readFileSync(good))
          new DatabaseSync(file).exec("DROP TRIGGER audit_no_delete; DELETE FROM audit WHERE id = 1")
        },
        dangling: (file) => {
          writeFileSync(file, readFileSync(good))
          new DatabaseSync(file).exec(
            "PRAGMA foreign_keys = OFF; INSERT INTO removed_relays (node_id, name, removed_at) VALUES (77, 'toma', '')"
          )
        },
        missing: () => {}
      }
      const before = readFileSync(path)
      for (const [name, make] of Object.entries(broken)) {
        const source = `${folder}/${name}.bak`
        make(source)
        const error = yield* Effect.flip(restore({ who: "test", source, target: path, replace: true }))
        assert.include(error.message, `${source} is no whole database`, name)
        assert.isTrue(before.equals(readFileSync(path)), name)
      }
      assert.isEmpty(readdirSync(folder).filter((name) => /partial|restoring|replaced/.test(name)))
      yield* restore({ who: "test", source: good, target: path, replace: true })
      const nodes = yield* Effect.provide(Effect.flatMap(Nodes, ({ list }) => list), services(path))
      assert.deepStrictEqual(nodes.map(({ enabled, epoch }) => [enabled, epoch]), [[true, 3], [false, 1], [false, 1]])
    }), TIMEOUT)

  it.effect(
    "put a backup where nothing is, where an empty one is, and where a damaged one was",
    () =>
      Effect.gen(function*() {
        const folder = yield* temporaryDirectory
        const good = `${folder}/good.db`
        yield* database(good, 1)
        const put = (target: string, replace = false) => restore({ who: "test", source: good, target, replace })
        assert.include(yield* put(`${folder}/new.db`), { kept_as: null, nodes: 1 })
        assert.strictEqual(statSync(`${folder}/new.db`).mode & 0o777, 0o600)
        yield* database(`${folder}/empty.db`, 0)
        assert.include(yield* put(`${folder}/empty.db`), { nodes: 1 })
        const damaged = `${folder}/damaged.db`
        writeFileSync(damaged, "no database at all, but longer than a header: ".repeat(40))
        writeFileSync(`${damaged}-wal`, "its log")
        assert.include((yield* Effect.flip(put(damaged))).message, "no whole database")
        const { kept_as } = yield* put(damaged, true)
        assert.strictEqual(readFileSync(`${kept_as}-wal`, "utf8"), "its log")
        const nodes = yield* Effect.provide(Effect.flatMap(Nodes, ({ list }) => list), services(damaged))
        assert.strictEqual(nodes.length, 1)
      }),
    TIMEOUT
  )
})
