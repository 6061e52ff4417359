import { assert, describe, it } from "@effect/vitest"
import type { DesiredInput, Kind } from "@patela/domain/reconciler/Kind"
import { RelayName } from "@patela/domain/relay/RelayName"
import { Effect, Layer, Option, Schema } from "effect"
import { FamilyKeyReader } from "../src/identity/FamilyKeyReader.ts"
import {
  digestOfRelays,
  digestOfStored,
  familyTagOf,
  IdentityStoreFailed,
  IdentityStoreReader,
  IdentityStoreWriter,
  type StoredIdentities,
  storeTagOf
} from "../src/identity/IdentityStore.ts"
import { KeyFileReader } from "../src/identity/KeyFileReader.ts"
import { SavedIdentities } from "../src/identity/SavedIdentities.ts"
import { type Broken, CASES, FakeHost, kindLaws, type World } from "./KindLaws.ts"
import { nodeInput, relayAt } from "./NodeInput.ts"
import { type Monitors, noMonitors } from "./NoMonitors.ts"
import { FAMILIES, FAMILY_SECRETS } from "./TestFamilies.ts"
import { ALL_SECRETS, IDENTITY_RUNS, identityAt, knownFingerprints, Pick } from "./TestIdentities.ts"

type Services = FamilyKeyReader | Monitors | IdentityStoreReader | IdentityStoreWriter | KeyFileReader

const kind: Kind<Services, Services> = SavedIdentities

const NAMES = ["brie", "toma", "fontina"].map((name) => RelayName.make(name))
const Relay = Schema.Struct({ host: Schema.NullOr(Pick), stored: Schema.NullOr(Pick), record: Schema.NullOr(Pick) })
const Relays = Schema.Tuple([Relay, Relay, Relay])
/** Of each of two families: whether the configuration names it, whether relays have its key, and the store. */
const Family = Schema.Struct({ named: Schema.Boolean, host: Schema.Boolean, stored: Schema.Boolean })
const Families = Schema.Tuple([Family, Family])
const NO_FAMILIES: typeof Families.Type = [
  { named: false, host: false, stored: false },
  { named: false, host: false, stored: false }
]
const STRANGER = storeTagOf(RelayName.make("gone"))

interface StoreWorld extends World<Services> {
  readonly stored: () => StoredIdentities
}

/** A store that also keeps the key of a relay that is no longer configured. A broken relay's key files are no use. */
const worldOf = (relays: typeof Relays.Type, families = NO_FAMILIES) => (broken: Broken): StoreWorld => {
  const host = new FakeHost()
  const picks = new Map(NAMES.map((name, index) => [name, relays[index]?.host ?? null]))
  const those = (chosen: (family: typeof Family.Type) => boolean) =>
    FAMILIES.filter((_, at) => {
      const family = families[at]
      return family !== undefined && chosen(family)
    })
  let entries: StoredIdentities = new Map(NAMES.flatMap((name, index) => {
    const stored = relays[index]?.stored ?? null
    return stored === null ? [] : [[storeTagOf(name), identityAt(stored)] as const]
  })).set(STRANGER, identityAt(3))
  for (const { id, secret } of those(({ stored }) => stored)) entries = new Map([...entries, [familyTagOf(id), secret]])
  // Some stores are older than the image policy.
  let unbound = relays[0]?.stored === 1
  const wholeOf = (name: RelayName) => {
    const pick = picks.get(name) ?? null
    return pick === null || broken.has(name) ? Option.none() : Option.some(identityAt(pick))
  }
  const layer = Layer.mergeAll(
    noMonitors,
    Layer.succeed(FamilyKeyReader, {
      look: Effect.die("not asked for"),
      secrets: (_, ids) =>
        Effect.succeed(
          new Map(those(({ host }) => host).flatMap(({ id, secret }) => ids.includes(id) ? [[id, secret]] : []))
        )
    }),
    Layer.succeed(IdentityStoreReader, {
      isToMove: Effect.sync(() => unbound),
      read: Effect.sync(() => entries),
      digest: Effect.sync(() => Option.some(digestOfStored(entries)))
    }),
    Layer.succeed(IdentityStoreWriter, {
      write: (next) =>
        host.write(() => {
          entries = next
          unbound = false
        })
    }),
    Layer.succeed(KeyFileReader, {
      look: () => Effect.succeed(new Map()),
      storedDigest: (owners, families) =>
        Effect.sync(() => digestOfRelays(owners.map(({ name }) => [name, wholeOf(name)] as const), families)),
      identity: ({ name }) => Effect.sync(() => wholeOf(name))
    })
  )
  const stranger = () => {
    const identity = entries.get(STRANGER)
    return identity === undefined ? "gone" : knownFingerprints(identity)
  }
  return { host, layer, stored: () => entries, foreign: stranger, secrets: [...ALL_SECRETS, ...FAMILY_SECRETS] }
}

const inputOf = (relays: typeof Relays.Type, families = NO_FAMILIES): DesiredInput => {
  const input = nodeInput(relays.map(({ record }, slot) => ({
    ...relayAt(slot, NAMES[slot] ?? ""),
    fingerprint: record === null ? null : knownFingerprints(identityAt(record))
  })))
  const ids = FAMILIES.filter((_, at) => families[at]?.named === true).map(({ id }) => id)
  return { ...input, config: { ...input.config, family: { ids, members: [] } } }
}

describe("key-store", () => {
  for (const { kills, runs, said } of CASES) {
    it.effect.prop(
      `the laws hold of any store, and one write saves what may be saved, ${said}`,
      [Relays, Families],
      ([relays, families]) =>
        kindLaws(kind, inputOf(relays, families), worldOf(relays, families), ({ host, stored }) => {
          assert.isAtMost(host.writes, 1)
          FAMILIES.slice(0, 2).forEach(({ id }, at) => {
            const family = families[at]
            const wanted = family?.named === true && (family.host || family.stored)
            assert.strictEqual(stored().has(familyTagOf(id)), wanted)
          })
          NAMES.forEach((name, index) => {
            const relay = relays[index]
            if (relay === undefined) return
            const kept = stored().get(storeTagOf(name))
            // A key is overwritten only by the one that the server has on record.
            const isRight = relay.host !== null && (relay.stored === null || relay.record === relay.host)
            const right = isRight ? relay.host : relay.stored
            assert.strictEqual(kept, right === null ? undefined : identityAt(right))
          })
        }, kills),
      kills === "every" ? IDENTITY_RUNS : runs
    )
  }

  it.effect.prop(
    "a store that is full fails with its own words and loses nothing",
    [Relays],
    ([relays]) =>
      Effect.gen(function*() {
        const { layer, stored } = worldOf(relays)(new Set())
        const full = Layer.succeed(IdentityStoreWriter, {
          write: () => Effect.fail(new IdentityStoreFailed({ reason: "full", message: "the TPM has no room" }))
        })
        const before = digestOfStored(stored())
        const outcomes = yield* Effect.gen(function*() {
          const plan = yield* kind.plan(inputOf(relays))
          return yield* plan.apply(() => true)
        }).pipe(Effect.provide(Layer.merge(layer, full)))
        for (const outcome of outcomes.values()) assert.isFalse(outcome.done)
        const mayBeSaved = relays.some(({ host, stored }) => host !== null && stored === null)
        const said = [...outcomes.values()].map((outcome) => outcome.done ? "" : outcome.message).join()
        if (mayBeSaved) assert.include(said, "the TPM has no room")
        assert.strictEqual(digestOfStored(stored()), before)
      })
  )
})
