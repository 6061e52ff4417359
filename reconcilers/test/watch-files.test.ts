import { describe, it } from "@effect/vitest"
import type { Kind, WatchSignal } from "@patela/domain/reconciler/Kind"
import { Effect, Exit, Fiber, Layer, Option, Schema, Stream } from "effect"
import * as fs from "node:fs"
import { join } from "node:path"
import { expect } from "vitest"
import { AccountReader } from "../src/accounts/AccountReader.ts"
import { Accounts } from "../src/accounts/Accounts.ts"
import { Directories } from "../src/directories/Directories.ts"
import { DirectoryReader } from "../src/directories/DirectoryReader.ts"
import { DropInLedgerReader } from "../src/drop-ins/DropInLedger.ts"
import { DropInReader } from "../src/drop-ins/DropInReader.ts"
import { DropIns } from "../src/drop-ins/DropIns.ts"
import { FileMonitor } from "../src/host/FileMonitor.ts"
import { FamilyKeyReader } from "../src/identity/FamilyKeyReader.ts"
import { FamilyKeys } from "../src/identity/FamilyKeys.ts"
import { Identities } from "../src/identity/Identities.ts"
import { IdentityStoreReader } from "../src/identity/IdentityStore.ts"
import { KeyFileReader } from "../src/identity/KeyFileReader.ts"
import { SavedIdentities } from "../src/identity/SavedIdentities.ts"
import { LedgerReader } from "../src/ledger/LedgerReader.ts"
import { Resolver } from "../src/resolver/Resolver.ts"
import { ResolverReader } from "../src/resolver/ResolverReader.ts"
import { TorrcReader } from "../src/torrc/TorrcReader.ts"
import { Torrcs } from "../src/torrc/Torrcs.ts"
import { SOON, until } from "./until.ts"
import { ED25519, ETC, FAMILY, hostRoot, put, replace, STATE, UNITS } from "./WatchedRoot.ts"

const readers = Layer.mergeAll(
  AccountReader.layer,
  DirectoryReader.layer,
  FamilyKeyReader.layer,
  KeyFileReader.layer,
  LedgerReader.layer,
  DropInLedgerReader.layer,
  DropInReader.layer,
  ResolverReader.layer,
  TorrcReader.layer,
  Layer.succeed(IdentityStoreReader, {
    isToMove: Effect.succeed(false),
    digest: Effect.succeed(Option.none()),
    read: Effect.succeed(new Map())
  })
)
type FileKind = Kind<FileMonitor | Layer.Success<typeof readers>, never>
const watchOf = <Write>(kind: Kind<FileMonitor | Layer.Success<typeof readers>, Write>): FileKind["watch"] => kind.watch

const listening = Effect.fnUntraced(function*(root: string, watch: FileKind["watch"]) {
  const heard: Array<WatchSignal> = []
  const fiber = yield* watch.pipe(
    Stream.runForEach((signal) => Effect.sync(() => heard.push(signal))),
    Effect.provide(Layer.merge(readers, FileMonitor.layerUnder(root))),
    Effect.forkScoped
  )
  yield* until(() => heard.length > 0, SOON)
  expect(heard).toEqual(["look again"])
  heard.length = 0
  return { heard, fiber }
})

describe("watching files", () => {
  const at = (path: string, change: (path: string) => void) => (root: string) => change(join(root, path))
  const remove = (path: string) => fs.rmSync(path, { recursive: true })
  const rights = (path: string) => fs.chmodSync(path, fs.statSync(path).mode ^ 0o010)
  const append = (path: string) => fs.appendFileSync(path, "more")
  const make = (path: string) => void fs.mkdirSync(path)

  const TOLD: ReadonlyArray<readonly [string, FileKind["watch"], string, (root: string) => void]> = [
    ["accounts", watchOf(Accounts), "the users are replaced", at("etc/passwd", replace)],
    ["accounts", watchOf(Accounts), "the groups are edited in place", at("etc/group", append)],
    ["drop-ins", watchOf(DropIns), "one is another", at(`${UNITS}/tor@toma.service.d/patela.conf`, replace)],
    ["drop-ins", watchOf(DropIns), "one is edited in place", at(`${UNITS}/tor@toma.service.d/patela.conf`, append)],
    ["drop-ins", watchOf(DropIns), "a unit's folder goes", at(`${UNITS}/tor@toma.service.d`, remove)],
    ["directories", watchOf(Directories), "an instance goes", at(`${STATE}/toma`, remove)],
    ["directories", watchOf(Directories), "an instance's rights change", at(`${ETC}/toma`, rights)],
    ["directories", watchOf(Directories), "the rights of its keys change", at(`${STATE}/toma/keys`, rights)],
    ["directories", watchOf(Directories), "its keys go", at(`${STATE}/toma/keys`, remove)],
    ["directories", watchOf(Directories), "the rights of what holds all change", at(STATE, rights)],
    ["directories", watchOf(Directories), "what holds all goes", at("etc/tor", remove)],
    ["directories", watchOf(Directories), "an instance comes", at(`${ETC}/brie`, make)],
    ["identity", watchOf(Identities), "a key file goes", at(`${STATE}/toma/keys/${ED25519}`, remove)],
    ["identity", watchOf(Identities), "a key file is another", at(`${STATE}/toma/keys/secret_id_key`, replace)],
    ["identity", watchOf(Identities), "a key file is cut off", at(`${STATE}/toma/keys/secret_id_key`, fs.truncateSync)],
    ["identity", watchOf(Identities), "a key file's rights change", at(`${STATE}/toma/keys/secret_id_key`, rights)],
    [
      "identity",
      watchOf(Identities),
      "the keys are moved away",
      (root) => fs.renameSync(join(root, STATE, "toma/keys"), join(root, STATE, "toma/keys.old"))
    ],
    ["family-keys", watchOf(FamilyKeys), "a family's key goes", at(`${STATE}/toma/keys/${FAMILY}`, remove)],
    ["family-keys", watchOf(FamilyKeys), "one comes", (root) => put(root, `${STATE}/brie/keys/patela-00000001.x`)],
    ["key-store", watchOf(SavedIdentities), "a key file goes", at(`${STATE}/toma/keys/${ED25519}`, remove)],
    ["resolver", watchOf(Resolver), "the file is edited", at("etc/patela/resolv.conf", append)],
    ["resolver", watchOf(Resolver), "its directory goes", at("etc/patela", remove)],
    ["torrc", watchOf(Torrcs), "one is replaced", at(`${ETC}/toma/torrc`, replace)],
    ["torrc", watchOf(Torrcs), "one gets other rights", at(`${ETC}/toma/torrc`, rights)],
    ["torrc", watchOf(Torrcs), "one goes", at(`${ETC}/toma/torrc`, remove)],
    ["torrc", watchOf(Torrcs), "one comes with its instance", (root) => put(root, `${ETC}/brie/torrc`)]
  ]
  it.live.each(TOLD)("%s: %s", ([, watch, , change]) =>
    Effect.gen(function*() {
      const root = yield* hostRoot
      const { heard } = yield* listening(root, watch)
      change(root)
      expect([yield* until(() => heard.length > 0, SOON), [...new Set(heard)]]).toEqual([true, ["look again"]])
    }).pipe(Effect.scoped))

  it.live("tells nobody of what tor and others write beside", () =>
    Effect.gen(function*() {
      const root = yield* hostRoot
      const kinds = [
        watchOf(Accounts),
        watchOf(Directories),
        watchOf(FamilyKeys),
        watchOf(Identities),
        watchOf(SavedIdentities),
        watchOf(Resolver),
        watchOf(Torrcs)
      ]
      const all = yield* Effect.forEach(kinds, (watch) => listening(root, watch))
      for (let round = 0; round < 50; round++) {
        for (
          const name of ["state", "cached-microdescs.new", "lock", "keys/secret_onion_key", "keys/secret_ntor_key"]
        ) {
          replace(join(root, STATE, "toma", name))
          fs.appendFileSync(join(root, STATE, "toma", name), "more")
        }
        for (const name of ["hosts", "passwd-", ".pwd.lock", "tor/torrc", "tor/instances/toma/.torrc.0a1b"]) {
          put(root, `etc/${name}`)
        }
        fs.readFileSync(join(root, "etc/passwd"))
        fs.readdirSync(join(root, STATE, "toma/keys"))
        yield* Effect.sleep(2)
      }
      yield* Effect.sleep(100)
      expect(all.map(({ heard }) => heard)).toEqual(kinds.map(() => []))
    }).pipe(Effect.scoped))

  it.live("starts with directories that are not there yet, and goes on after they went", () =>
    Effect.gen(function*() {
      const root = yield* hostRoot
      for (const path of ["etc", "var"]) remove(join(root, path))
      const { heard } = yield* listening(root, watchOf(Identities))
      for (let round = 0; round < 3; round++) {
        const key = `${STATE}/brie/keys/${ED25519}`
        put(root, key)
        expect(yield* until(() => heard.length > 0, SOON)).toBe(true)
        yield* Effect.sleep(20)
        heard.length = 0
        append(join(root, key))
        expect(yield* until(() => heard.length > 0, SOON)).toBe(true)
        remove(join(root, "var"))
        yield* Effect.sleep(20)
        heard.length = 0
      }
    }).pipe(Effect.scoped))

  it.live("does not follow links out of a relay's directory", () =>
    Effect.gen(function*() {
      const root = yield* hostRoot
      put(root, `elsewhere/${ED25519}`)
      remove(join(root, STATE, "toma/keys"))
      fs.symlinkSync(join(root, "elsewhere"), join(root, STATE, "toma/keys"))
      const { heard } = yield* listening(root, watchOf(Identities))
      append(join(root, "elsewhere", ED25519))
      yield* Effect.sleep(50)
      expect(heard).toEqual([])
    }).pipe(Effect.scoped))

  it.live("fails where its root is no directory", () =>
    Effect.gen(function*() {
      const root = yield* hostRoot
      const fiber = yield* watchOf(Accounts).pipe(
        Stream.runDrain,
        Effect.provide(Layer.merge(readers, FileMonitor.layerUnder(join(root, "etc/passwd")))),
        Effect.forkScoped
      )
      const exit = yield* Fiber.await(fiber)
      expect(Exit.isFailure(exit) && JSON.stringify(exit.cause)).toContain("is not a directory")
    }).pipe(Effect.scoped))

  const PATHS = [
    "etc",
    "etc/tor/instances",
    `${ETC}/toma`,
    `${ETC}/toma/torrc`,
    `${ETC}/brie`,
    `${ETC}/brie/torrc`,
    STATE,
    `${STATE}/toma`,
    `${STATE}/toma/keys`,
    `${STATE}/brie/keys`,
    `${STATE}/toma/keys/${ED25519}`,
    `${STATE}/brie/keys/${ED25519}`
  ] as const
  const Step = Schema.Struct({
    path: Schema.Literals(PATHS),
    what: Schema.Literals(["make", "write", "replace", "rights", "remove", "away", "back", "link"])
  })
  const STEPS: Record<typeof Step.Type["what"], (path: string) => void> = {
    make: (path) => void fs.mkdirSync(path, { recursive: true }),
    write: append,
    replace,
    rights,
    remove,
    away: (path) => fs.renameSync(path, `${path}.away`),
    back: (path) => fs.renameSync(`${path}.away`, path),
    link: (path) => fs.symlinkSync(`${path}.away`, path)
  }

  const INSTANCES = ["toma", "brie"]
  /** What each kind could see of a host, links not followed. */
  const SIGHTS: ReadonlyArray<readonly [watch: FileKind["watch"], paths: ReadonlyArray<string>]> = [
    [watchOf(Torrcs), INSTANCES.map((name) => `${ETC}/${name}/torrc`)],
    [
      watchOf(Directories),
      INSTANCES.flatMap((name) => [`${ETC}/${name}`, `${STATE}/${name}`, `${STATE}/${name}/keys`])
    ],
    [watchOf(Identities), INSTANCES.map((name) => `${STATE}/${name}/keys/${ED25519}`)]
  ]
  const sightOf = (root: string, paths: ReadonlyArray<string>): string =>
    paths.map((path) => {
      try {
        const { ino, isDirectory, mode, mtimeNs } = statOf(join(root, path))
        return `${path} ${ino} ${mode} ${isDirectory ? "" : mtimeNs}`
      } catch {
        return path
      }
    }).join("\n")

  it.live.prop(
    "whatever is done to the tree, no difference that can be seen goes untold",
    [Schema.Array(Step).pipe(Schema.check(Schema.isMaxLength(12)))],
    ([steps]) =>
      Effect.gen(function*() {
        const root = yield* hostRoot
        const all = yield* Effect.forEach(
          SIGHTS,
          ([watch, paths]) => Effect.map(listening(root, watch), ({ heard }) => ({ heard, paths }))
        )
        for (const { path, what } of steps) {
          const before = all.map(({ paths }) => sightOf(root, paths))
          for (const { heard } of all) heard.length = 0
          try {
            STEPS[what](join(root, path))
          } catch {
            // Not every step can be done on every tree.
          }
          for (const [index, { heard, paths }] of all.entries()) {
            if (sightOf(root, paths) === before[index]) continue
            expect([index, what, path, yield* until(() => heard.length > 0, SOON)]).toEqual([index, what, path, true])
          }
          yield* Effect.sleep(2)
        }
      }).pipe(Effect.scoped),
    { arbitrary: { runs: 60 } }
  )
})

const statOf = (path: string) => {
  const stat = fs.lstatSync(path, { bigint: true })
  return { ino: stat.ino, mode: stat.mode, mtimeNs: stat.mtimeNs, isDirectory: stat.isDirectory() }
}
