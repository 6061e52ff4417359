import { assert, describe, it } from "@effect/vitest"
import type { Kind } from "@patela/domain/reconciler/Kind"
import { RelayName } from "@patela/domain/relay/RelayName"
import { Effect, Layer, Schema } from "effect"
import { dirname } from "node:path"
import { isDeepStrictEqual } from "node:util"
import { diffDirectories } from "../src/directories/diffDirectories.ts"
import { Directories } from "../src/directories/Directories.ts"
import { DirectoryReader } from "../src/directories/DirectoryReader.ts"
import { DirectoryNotWritten, DirectoryWriter } from "../src/directories/DirectoryWriter.ts"
import type { Entry } from "../src/directories/ObservedDirectories.ts"
import type { LedgerReader } from "../src/ledger/LedgerReader.ts"
import type { LedgerWriter } from "../src/ledger/LedgerWriter.ts"
import { type Broken, CASES, FakeHost, kindLaws, namesOf, type World } from "./KindLaws.ts"
import { nodeInput, relayAt } from "./NodeInput.ts"
import { type Monitors, noMonitors } from "./NoMonitors.ts"

type Services = Monitors | DirectoryReader | DirectoryWriter | LedgerReader | LedgerWriter

const CHEESES = ["toma", "robiola", "brie"]
const Wanted = Schema.Array(Schema.Literals(CHEESES))
const Start = Schema.Array(Schema.Struct({
  name: Schema.Literals(CHEESES),
  owned: Schema.Boolean,
  place: Schema.Literals([
    "/etc/tor/instances/NAME",
    "/var/lib/tor-instances/NAME",
    "/var/lib/tor-instances/NAME/keys"
  ]),
  entry: Schema.Literals(["right", "wrong", "link", "file", "absent"])
}))

const rightAt = (path: string): Entry => {
  const slot = CHEESES.findIndex((name) => path.includes(name))
  return path.startsWith("/etc")
    ? { type: "directory", mode: 0o755, uid: 0, gid: 0 }
    : { type: "directory", mode: 0o2700, uid: 50_000 + slot, gid: 50_000 + slot }
}

const ABSENT: Entry = { type: "absent" }

/** Directories in memory: one can be made only in another. Those of a broken relay can be neither made nor removed. */
const worldOf = (start: typeof Start.Type) => (broken: Broken): World<Services> => {
  const entries = new Map<string, Entry>()
  const owned = new Set(start.filter((one) => one.owned).map(({ name }) => name))
  for (const { entry, name, place } of start) {
    const path = place.replace("NAME", name)
    if (entry === "right") entries.set(path, rightAt(path))
    else if (entry === "wrong") entries.set(path, { type: "directory", mode: 0o755, uid: 1, gid: 1 })
    else if (entry !== "absent") entries.set(path, { type: entry })
  }
  for (const path of entries.keys()) {
    if (path.endsWith("/keys") && entries.get(dirname(path))?.type !== "directory") entries.delete(path)
  }
  const foreign = [...entries.keys()].filter((path) => !CHEESES.some((name) => owned.has(name) && path.includes(name)))
  const host = new FakeHost({ instances: namesOf([...owned]) })
  const isBroken = (path: string) => [...broken].some((name) => path.includes(name))
  // Nothing of its own is to be written where only the directories that all instances share are missing.
  const excused = [...broken].filter((name) =>
    [`/etc/tor/instances/${name}`, `/var/lib/tor-instances/${name}`, `/var/lib/tor-instances/${name}/keys`]
      .every((path) => isDeepStrictEqual(entries.get(path), rightAt(path)))
  )

  const layer = Layer.mergeAll(
    noMonitors,
    host.ledger(),
    Layer.succeed(DirectoryReader, {
      look: (paths) => Effect.sync(() => new Map(paths.map((path) => [path, entries.get(path) ?? ABSENT])))
    }),
    Layer.succeed(DirectoryWriter, {
      ensure: Effect.fnUntraced(function*({ gid, mode, path, uid }) {
        const parent = dirname(path)
        const there = entries.get(path)
        const parentIsThere = parent === "/etc/tor" || parent === "/var/lib" ||
          entries.get(parent)?.type === "directory"
        if (isBroken(path) || !parentIsThere || (there !== undefined && there.type !== "directory")) {
          return yield* new DirectoryNotWritten({ path, message: `cannot make ${path}` })
        }
        if (there === undefined) {
          yield* host.write(() => entries.set(path, { type: "directory", mode: 0o700, uid: 0, gid: 0 }))
        }
        yield* host.write(() => entries.set(path, { type: "directory", mode, uid, gid }))
      }),
      remove: Effect.fnUntraced(function*(path) {
        if (isBroken(path)) return yield* new DirectoryNotWritten({ path, message: `cannot remove ${path}` })
        const inside = [...entries.keys()].filter((one) => one === path || one.startsWith(`${path}/`))
        // The deepest first, as rm(1) does.
        for (const one of inside.sort().toReversed()) yield* host.write(() => entries.delete(one))
      })
    })
  )
  return {
    host,
    layer,
    excused: new Set(excused.map((name) => `relay/${name}/directories`)),
    foreign: () => foreign.map((path) => entries.get(path))
  }
}

const kind: Kind<Services, Services> = Directories
const inputOf = (names: ReadonlyArray<string>) =>
  nodeInput([...new Set(names)].map((name) => relayAt(CHEESES.indexOf(name), name)))

describe("directories", () => {
  for (const { kills, runs, said } of CASES) {
    it.effect.prop(
      `the laws hold on any host, ${said}`,
      [Wanted, Start],
      ([names, start]) => kindLaws(kind, inputOf(names), worldOf(start), undefined, kills),
      runs
    )
  }

  it.effect("a link in the place of keys is reported, and the other relay is made", () =>
    Effect.gen(function*() {
      const toma = { name: "toma", owned: true, entry: "right" } as const
      const failed = yield* kindLaws(
        kind,
        inputOf(["toma", "robiola"]),
        worldOf([
          { ...toma, place: "/etc/tor/instances/NAME" },
          { ...toma, place: "/var/lib/tor-instances/NAME" },
          { ...toma, place: "/var/lib/tor-instances/NAME/keys", entry: "link" }
        ])
      )
      assert.deepStrictEqual([...failed], ["relay/toma/directories"])
    }))

  it.effect("an instance that is as wanted but not in the ledger is used, and never removed", () =>
    Effect.gen(function*() {
      const places = [
        "/etc/tor/instances/NAME",
        "/var/lib/tor-instances/NAME",
        "/var/lib/tor-instances/NAME/keys"
      ] as const
      const start = places.map((place) => ({ name: "toma", owned: false, place, entry: "right" }) as const)
      assert.deepStrictEqual([...yield* kindLaws(kind, inputOf(["toma"]), worldOf(start))], [])
      assert.deepStrictEqual([...yield* kindLaws(kind, inputOf([]), worldOf(start))], [])
    }))

  it("what is not in the ledger is not removed, even if it was looked at", () => {
    const relay = RelayName.make("toma")
    const entries = new Map([["/etc/tor/instances/toma", rightAt("/etc/tor/instances/toma")]])
    for (const owned of [true, false]) {
      const changes = diffDirectories([], new Map([["relay/toma/directories", { relay, owned, entries }]]))
      assert.strictEqual(changes.length, owned ? 1 : 0)
    }
  })
})
