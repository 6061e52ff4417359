import { assert, describe, it } from "@effect/vitest"
import type { DesiredInput, Kind } from "@patela/domain/reconciler/Kind"
import { RelayName } from "@patela/domain/relay/RelayName"
import { Effect, Layer, Option, Schema } from "effect"
import { isDeepStrictEqual } from "node:util"
import type { HostIdentity } from "../src/identity/HostIdentity.ts"
import { Identities } from "../src/identity/Identities.ts"
import { IdentityPolicy } from "../src/identity/IdentityPolicy.ts"
import {
  digestOfStored,
  IdentityStoreReader,
  type StoredIdentities,
  storeTagOf
} from "../src/identity/IdentityStore.ts"
import { KeyFileReader } from "../src/identity/KeyFileReader.ts"
import { KeyFilesNotWritten, KeyFileWriter } from "../src/identity/KeyFileWriter.ts"
import { identityDigest } from "../src/identity/RelayIdentity.ts"
import { KeysNotMade, TorKeygen } from "../src/identity/TorKeygen.ts"
import { type Broken, CASES, FakeHost, kindLaws, type World } from "./KindLaws.ts"
import { nodeInput, relayAt } from "./NodeInput.ts"
import { type Monitors, noMonitors } from "./NoMonitors.ts"
import {
  ALL_SECRETS,
  IDENTITY_RUNS,
  identityAt,
  joined,
  knownFingerprints,
  mintedAt,
  type Parts,
  partsOf,
  Pick
} from "./TestIdentities.ts"

type Services = Monitors | IdentityStoreReader | KeyFileReader | KeyFileWriter | TorKeygen

const kind: Kind<Services, Services> = Identities

const NAMES = ["brie", "toma", "fontina"].map((name) => RelayName.make(name))
const GONE = RelayName.make("gone")

const File = Schema.NullOr(
  Schema.Struct({ key: Schema.Union([Pick, Schema.Literal("damaged")]), tidy: Schema.Boolean })
)
const Relay = Schema.Struct({
  ed25519: File,
  rsa: File,
  /** What tor derives from its ed25519 key lies there, of whatever key. */
  derived: Schema.Boolean,
  stored: Schema.NullOr(Pick),
  record: Schema.NullOr(Pick)
})
const Start = Schema.Struct({ relays: Schema.Tuple([Relay, Relay, Relay]), restore: Schema.Boolean })

type Part = keyof Parts

interface KeyFile {
  readonly bytes: Parts[Part] | "damaged"
  readonly tidy: boolean
}

interface Directory {
  readonly files: Partial<Record<Part, KeyFile>>
  readonly derived: boolean
}

const directoryOf = ({ derived, ed25519, rsa }: typeof Relay.Type): Directory => {
  const file = (part: Part, { key, tidy }: NonNullable<typeof File.Type>): KeyFile => ({
    bytes: key === "damaged" ? key : partsOf(identityAt(key))[part],
    tidy
  })
  return {
    derived,
    files: {
      ...(ed25519 === null ? {} : { ed25519: file("ed25519", ed25519) }),
      ...(rsa === null ? {} : { rsa: file("rsa", rsa) })
    }
  }
}

const wholeIn = ({ files: { ed25519, rsa } }: Directory) =>
  ed25519 === undefined || rsa === undefined || ed25519.bytes === "damaged" || rsa.bytes === "damaged"
    ? undefined
    : joined({ ed25519: ed25519.bytes, rsa: rsa.bytes })

const seenIn = (directory: Directory): HostIdentity => {
  const { files: { ed25519, rsa } } = directory
  if (ed25519 === undefined && rsa === undefined) return { state: "absent" }
  if (ed25519 === undefined) return { state: "partial", missing: "ed25519" }
  if (rsa === undefined) return { state: "partial", missing: "rsa" }
  const identity = wholeIn(directory)
  if (identity === undefined) return { state: "damaged", why: "it is empty" }
  return {
    state: "present",
    fingerprints: knownFingerprints(identity),
    digest: identityDigest(identity),
    untidy: ed25519.tidy && rsa.tidy ? [] : ["mode 644 -> 600"]
  }
}

/** Relays' key files in memory, one write a file, and a tor that makes what is missing. For a broken relay none can. */
const worldOf = ({ relays, restore }: typeof Start.Type) =>
(broken: Broken): World<Services> & {
  readonly seen: (name: RelayName) => HostIdentity
} => {
  const host = new FakeHost()
  const [brie, toma, fontina] = relays
  const states = new Map([[NAMES[0], brie], [NAMES[1], toma], [NAMES[2], fontina]])
  const gone = directoryOf({ ...brie, ed25519: { key: 3, tidy: false }, rsa: { key: 2, tidy: false } })
  const directories = new Map<RelayName | undefined, Directory>([[GONE, gone]])
  for (const [name, relay] of states) directories.set(name, directoryOf(relay))
  const stored: StoredIdentities = new Map(NAMES.flatMap((name) => {
    const pick = states.get(name)?.stored ?? null
    return pick === null ? [] : [[storeTagOf(name), identityAt(pick)]]
  }))
  const whole = [...directories].filter(([, directory]) => wholeIn(directory) !== undefined).map(([name]) => name)

  const at = (name: RelayName): Directory => directories.get(name) ?? { files: {}, derived: false }
  const put = (name: RelayName, part: Part, bytes: Parts[Part]) =>
    host.write(() => {
      const { derived, files } = at(name)
      directories.set(name, { derived, files: { ...files, [part]: { bytes, tidy: true } } })
    })
  const clearDerived = Effect.fnUntraced(function*(name: RelayName) {
    if (broken.has(name)) return yield* new KeyFilesNotWritten({ message: "the disk is full" })
    if (at(name).derived) yield* host.write(() => directories.set(name, { ...at(name), derived: false }))
  })

  const layer = Layer.mergeAll(
    noMonitors,
    Layer.succeed(IdentityPolicy, { restore }),
    Layer.succeed(IdentityStoreReader, {
      isToMove: Effect.succeed(false),
      read: Effect.succeed(stored),
      digest: Effect.succeed(Option.some(digestOfStored(stored)))
    }),
    Layer.succeed(KeyFileReader, {
      look: (owners) => Effect.sync(() => new Map(owners.map(({ name }) => [name, seenIn(at(name))]))),
      storedDigest: () => Effect.die("not asked for"),
      identity: ({ name }) => Effect.sync(() => Option.fromUndefinedOr(wholeIn(at(name))))
    }),
    Layer.succeed(KeyFileWriter, {
      clearDerived: ({ name }) => clearDerived(name),
      write: Effect.fnUntraced(function*({ name }, identity) {
        yield* clearDerived(name)
        const parts = partsOf(identity)
        const { files: { ed25519, rsa } } = at(name)
        // As KeyFileWriter does, for key-files.test.ts has it on real files.
        if (rsa !== undefined && !isDeepStrictEqual(rsa.bytes, parts.rsa)) {
          yield* host.write(() =>
            directories.set(name, { ...at(name), files: ed25519 === undefined ? {} : { ed25519 } })
          )
        }
        yield* put(name, "ed25519", parts.ed25519)
        yield* put(name, "rsa", parts.rsa)
      })
    }),
    Layer.succeed(TorKeygen, {
      make: Effect.fnUntraced(function*(name) {
        const { derived, files } = at(name)
        const damaged = Object.values(files).some(({ bytes }) => bytes === "damaged")
        // tor takes a missing secret beside what it derived from one for a key kept offline.
        if (broken.has(name) || damaged || (derived && files.ed25519 === undefined)) {
          return yield* new KeysNotMade({ message: `tor made no new identity for ${name}` })
        }
        const parts = partsOf(mintedAt(NAMES.indexOf(name)))
        if (files.rsa === undefined) yield* put(name, "rsa", parts.rsa)
        if (files.ed25519 === undefined) yield* put(name, "ed25519", parts.ed25519)
        yield* host.write(() => directories.set(name, { ...at(name), derived: true }))
      })
    })
  )
  return {
    host,
    layer,
    seen: (name) => seenIn(at(name)),
    // Whole key files are never another's afterwards, whatever the server or the TPM say.
    foreign: () => ({
      gone: directories.get(GONE),
      whole: whole.map((name) => Object.values(directories.get(name)?.files ?? {}).map(({ bytes }) => bytes)),
      stored: digestOfStored(stored)
    }),
    secrets: ALL_SECRETS
  }
}

const inputOf = ({ relays }: typeof Start.Type): DesiredInput =>
  nodeInput(relays.map(({ record }, slot) => ({
    ...relayAt(slot, NAMES[slot] ?? ""),
    fingerprint: record === null ? null : knownFingerprints(identityAt(record))
  })))

describe("identities", () => {
  for (const { kills, runs, said } of CASES) {
    it.effect.prop(
      `the laws hold on any host, ${said}`,
      [Start],
      ([start]) =>
        kindLaws(kind, inputOf(start), worldOf(start), ({ seen }, failed) => {
          for (const [slot, relay] of start.relays.entries()) {
            const name = NAMES[slot] ?? GONE
            if (failed.has(`relay/${name}/identity`)) continue
            const host = seen(name)
            const { record, stored } = relay
            const isRestored = start.restore && wholeIn(directoryOf(relay)) === undefined
            const right = record ?? (isRestored ? stored : null)
            assert.strictEqual(host.state, "present")
            if (right === null || host.state !== "present") continue
            assert.deepStrictEqual(host.fingerprints, knownFingerprints(identityAt(right)))
          }
        }, kills),
      kills === "every" ? IDENTITY_RUNS : runs
    )
  }
})
