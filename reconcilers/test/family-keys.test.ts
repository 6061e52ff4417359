import { assert, describe, it } from "@effect/vitest"
import type { DesiredInput, Kind } from "@patela/domain/reconciler/Kind"
import { RelayName } from "@patela/domain/relay/RelayName"
import { uidOf } from "@patela/domain/relay/Slot"
import { Effect, Layer, Option, Schema } from "effect"
import { familyFileName, FamilyKeyReader, type FoundFamilyKey } from "../src/identity/FamilyKeyReader.ts"
import { FamilyKeys } from "../src/identity/FamilyKeys.ts"
import { FamilyKeysNotGiven, FamilyKeySource } from "../src/identity/FamilyKeySource.ts"
import { FamilyKeyWriter } from "../src/identity/FamilyKeyWriter.ts"
import {
  digestOfStored,
  familyTagOf,
  IdentityStoreReader,
  type StoredIdentities
} from "../src/identity/IdentityStore.ts"
import { KeyFilesNotWritten } from "../src/identity/KeyFileWriter.ts"
import { type Broken, CASES, FakeHost, kindLaws, type World } from "./KindLaws.ts"
import { nodeInput, relayAt } from "./NodeInput.ts"
import { type Monitors, noMonitors } from "./NoMonitors.ts"
import { FAMILIES, FAMILY_SECRETS } from "./TestFamilies.ts"

type Services = Monitors | IdentityStoreReader | FamilyKeyReader | FamilyKeySource | FamilyKeyWriter

const kind: Kind<Services, Services> = FamilyKeys

const NAMES = ["brie", "toma"].map((name) => RelayName.make(name))
/** It has the files of an earlier configuration. */
const GONE = RelayName.make("gone")

const Found = Schema.Literals(["none", "right", "damaged", "untidy"])
const Each = Schema.Tuple([Found, Found, Found])
const Three = Schema.Tuple([Schema.Boolean, Schema.Boolean, Schema.Boolean])
const Start = Schema.Struct({
  relays: Schema.Tuple([Each, Each]),
  gone: Each,
  /** The configuration names so many of the first two. */
  wanted: Schema.Literals([0, 1, 2]),
  stored: Three,
  given: Schema.Boolean
})

const picked = <A>(all: ReadonlyArray<A>, chosen: ReadonlyArray<boolean>): ReadonlyArray<A> =>
  all.filter((_, at) => chosen[at] === true)

const filesOf = (found: typeof Each.Type, slot: number): ReadonlyArray<FoundFamilyKey> => {
  const uid = uidOf(relayAt(slot, "brie").slot)
  return FAMILIES.flatMap(({ id }, at) => {
    const how = found[at] ?? "none"
    if (how === "none") return []
    const file = familyFileName(id)
    return [{ file, id: how === "damaged" ? undefined : id, mode: how === "untidy" ? 0o644 : 0o600, uid, gid: uid }]
  })
}

interface FamilyWorld extends World<Services> {
  readonly found: (name: RelayName) => ReadonlyArray<FoundFamilyKey>
}

const worldOf = ({ given, gone, relays, stored }: typeof Start.Type) => (broken: Broken): FamilyWorld => {
  const host = new FakeHost()
  const files = new Map<RelayName, ReadonlyArray<FoundFamilyKey>>([
    ...NAMES.map((name, slot) => [name, filesOf(relays[slot] ?? relays[0], slot)] as const),
    [GONE, filesOf(gone, 0)]
  ])
  const found = (name: RelayName) => files.get(name) ?? []
  const entries: StoredIdentities = new Map(
    picked(FAMILIES, stored).map(({ id, secret }) => [familyTagOf(id), secret])
  )
  const change = (name: RelayName, next: () => ReadonlyArray<FoundFamilyKey>) =>
    broken.has(name)
      ? Effect.fail(new KeyFilesNotWritten({ message: "the disk is full" }))
      : host.write(() => void files.set(name, next()))
  const layer = Layer.mergeAll(
    noMonitors,
    Layer.succeed(IdentityStoreReader, {
      isToMove: Effect.succeed(false),
      read: Effect.succeed(entries),
      digest: Effect.succeed(Option.some(digestOfStored(entries)))
    }),
    Layer.succeed(FamilyKeyReader, {
      look: Effect.sync(() => new Map([...files].filter(([, all]) => all.length > 0))),
      secrets: (names, ids) =>
        Effect.sync(() => {
          const here = new Set(names.flatMap(found).map(({ id }) => id))
          return new Map(
            FAMILIES.flatMap(({ id, secret }) => here.has(id) && ids.includes(id) ? [[id, secret]] : [])
          )
        })
    }),
    Layer.succeed(FamilyKeySource, {
      ask: (ids) =>
        given
          ? Effect.succeed(new Map(FAMILIES.flatMap(({ id, secret }) => ids.includes(id) ? [[id, secret]] : [])))
          : Effect.fail(new FamilyKeysNotGiven({ message: "no answer from the server" }))
    }),
    Layer.succeed(FamilyKeyWriter, {
      write: ({ gid, name, uid }, id) =>
        change(name, () => [
          ...found(name).filter(({ file }) => file !== familyFileName(id)),
          { file: familyFileName(id), id, mode: 0o600, uid, gid }
        ]),
      remove: (name, file) => change(name, () => found(name).filter((each) => each.file !== file))
    })
  )
  return { host, layer, found, foreign: () => digestOfStored(entries), secrets: FAMILY_SECRETS }
}

const inputOf = ({ wanted }: typeof Start.Type): DesiredInput => {
  const input = nodeInput(NAMES.map((name, slot) => relayAt(slot, name)))
  const ids = FAMILIES.slice(0, wanted).map(({ id }) => id)
  return ids.length === 0 ? input : { ...input, config: { ...input.config, family: { ids, members: [] } } }
}

describe("family-keys", () => {
  for (const { kills, runs, said } of CASES) {
    it.effect.prop(
      `the laws hold on any host, and each relay has the keys that the configuration names and no others, ${said}`,
      [Start],
      ([start]) =>
        kindLaws(kind, inputOf(start), worldOf(start), ({ found }, failed) => {
          const ids = FAMILIES.slice(0, start.wanted).map(({ id }) => id)
          NAMES.forEach((name, slot) => {
            const at = `relay/${name}/family-keys`
            const isToBeHad = (index: number) =>
              start.given || start.stored[index] === true ||
              [...start.relays, start.gone].some((each) => each[index] === "right" || each[index] === "untidy")
            assert.strictEqual(failed.has(at), ids.some((_, index) => !isToBeHad(index)), at)
            if (failed.has(at)) return
            const right = ids.map((id) => ({ id, file: familyFileName(id), mode: 0o600, uid: 50_000 + slot }))
            assert.sameDeepMembers(found(name).map(({ file, id, mode, uid }) => ({ id, file, mode, uid })), right)
          })
          assert.deepStrictEqual(found(GONE), [])
        }, kills),
      runs
    )
  }
})
