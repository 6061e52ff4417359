import type { FamilyId } from "@patela/domain/family/FamilyId"
import { type Change, differences } from "@patela/domain/reconciler/Change"
import { type KindSpec, make, ObservationFailed } from "@patela/domain/reconciler/Kind"
import { done, failed, type Outcome, outcomesOf } from "@patela/domain/reconciler/Outcome"
import { relayScope, type ResourceAddress } from "@patela/domain/reconciler/Resource"
import type { Fingerprints } from "@patela/domain/relay/Fingerprint"
import type { RelayName } from "@patela/domain/relay/RelayName"
import { uidOf } from "@patela/domain/relay/Slot"
import { Effect, Option } from "effect"
import type { FileMonitor } from "../host/FileMonitor.ts"
import type { FamilyKeyReader } from "./FamilyKeyReader.ts"
import { fingerprintLine, sameFingerprints } from "./HostIdentity.ts"
import {
  familyTagOf,
  IdentityStoreReader,
  IdentityStoreWriter,
  isOfFamily,
  relayUnder,
  type StoredIdentities,
  type StoreTag,
  storeTagOf
} from "./IdentityStore.ts"
import { KeyFileReader } from "./KeyFileReader.ts"
import { knownFamilyId } from "./knownFamilyId.ts"
import { fingerprintsOf, identityDigest, type RelayIdentity } from "./RelayIdentity.ts"
import type { DesiredIdentity } from "./Restoration.ts"
import { type DesiredFamily, familiesOnHost, familyAddressOf, familyEntry } from "./SavedFamilies.ts"
import { watchKeyFiles } from "./watchKeyFiles.ts"

const addressOf = (name: RelayName): ResourceAddress => `relay/${name}/key-store`

/**
 * A relay's or family's entry: the one that the host has, the same not yet bound to the approved images, another, or one
 * too many. What has no entry is not observed.
 */
export type StoredEntry =
  | { readonly entry: "same" }
  | { readonly entry: "unbound" }
  | { readonly entry: "other"; readonly stored: Fingerprints; readonly host: Fingerprints }
  | { readonly entry: "too many"; readonly stored: Fingerprints }
  | { readonly entry: "left family"; readonly tag: StoreTag; readonly id: FamilyId }

/**
 * What the store should hold: a relay's identity; nothing for one that a person took off the node, or that has another
 * name now, whose tag `heir` is, which the identity is to be kept under first; or a family's key, which `relays` have.
 */
export type DesiredEntry =
  | (DesiredIdentity & { readonly is: "kept"; readonly tag: StoreTag })
  | { readonly is: "gone"; readonly name: RelayName; readonly tag: StoreTag; readonly heir: StoreTag | undefined }
  | DesiredFamily

type GoneEntry = Extract<DesiredEntry, { readonly is: "gone" }>

/**
 * The identity of every configured relay is in the store that outlives the boot, and of no relay that a person took off
 * this node (`removed`), nor under a name that a relay had before. All other entries of relays are kept: a key in the TPM
 * goes only by that explicit word. Of families it holds those that the configuration names, for the server has their keys
 * too.
 */
export const keyStoreSpec: KindSpec<
  DesiredEntry,
  StoredEntry,
  FamilyKeyReader | FileMonitor | IdentityStoreReader | KeyFileReader,
  FamilyKeyReader | IdentityStoreReader | IdentityStoreWriter | KeyFileReader
> = {
  kind: "key-store",

  desired: ({ config }) => {
    const taken = new Map<StoreTag, RelayName>()
    const kept = config.relays.map(({ fingerprint, formerly = [], name, slot }) => {
      const tag = storeTagOf(name)
      const other = taken.get(tag)
      const about = { address: addressOf(name), scope: relayScope(name) }
      if (other !== undefined) {
        return { ...about, refused: `its name and ${other} share the store's tag ${tag}: rename one on the server` }
      }
      taken.set(tag, name)
      const owner = { name, uid: uidOf(slot), gid: uidOf(slot), record: fingerprint, formerly }
      const value = { is: "kept", tag, ...owner } as const
      return { ...about, needs: [`relay/${name}/identity`], value }
    })
    const leaving = [
      ...config.removed.map((name) => ({ name, heir: undefined })),
      ...config.relays.flatMap(({ formerly = [], name: heir }) =>
        formerly.map((name) => ({ name, heir: storeTagOf(heir) }))
      )
    ]
    const gone = leaving.filter(({ name }) => !taken.has(storeTagOf(name))).map(({ heir, name }) => ({
      // It is the store's own business: the node has no such relay any more.
      address: `node/key-store/${name}`,
      scope: "node" as const,
      // The key goes last, once the relay that has it has stopped.
      needs: [`relay/${name}/unit`],
      value: { is: "gone", name, tag: storeTagOf(name), heir } as const
    }))
    const families = (config.family?.ids ?? []).map((id) => {
      const tag = familyTagOf(id)
      const about = { address: familyAddressOf(tag), scope: "node" as const }
      const other = taken.get(tag)
      if (other !== undefined) {
        return { ...about, refused: `the family ${id} and ${other} share the store's tag ${tag}: rename the relay` }
      }
      const relays = config.relays.map(({ name }) => name)
      const value = { is: "family", id, tag, relays } as const
      return { ...about, needs: relays.slice(0, 1).map((name) => `relay/${name}/family-keys`), value }
    })
    return [...kept, ...gone, ...families]
  },

  observe: Effect.fn("key-store.observe")(
    function*(desired) {
      const files = yield* KeyFileReader
      const store = yield* IdentityStoreReader
      const owners = desired.flatMap(({ value }) => value.is === "kept" ? [value] : [])
      const families = desired.flatMap(({ value }) => value.is === "family" ? [value] : [])
      const digest = yield* store.digest
      if (Option.isNone(digest)) return new Map<ResourceAddress, StoredEntry>()
      const toMove = yield* store.isToMove
      const familiesHere = yield* familiesOnHost(families)
      const whole = familiesHere.size === families.length
      // In the steady state the store holds just what the host has, and its header says so.
      if (!toMove && whole && Option.contains(yield* files.storedDigest(owners, familiesHere), digest.value)) {
        const addresses = [
          ...owners.map(({ name }) => addressOf(name)),
          ...families.map(({ tag }) => familyAddressOf(tag))
        ]
        return new Map(addresses.map((address): [ResourceAddress, StoredEntry] => [address, { entry: "same" }]))
      }
      const onHost = yield* Effect.forEach(
        owners,
        (owner) => Effect.map(files.identity(owner), (identity) => [owner.tag, identity] as const),
        { concurrency: 16 }
      )
      const host: StoredIdentities = new Map([
        ...familiesHere,
        ...onHost.flatMap(([tag, identity]) => Option.toArray(identity).map((it) => [tag, it] as const))
      ])
      const stored = yield* store.read
      const wanted = desired.flatMap(({ address, value }): ReadonlyArray<[ResourceAddress, StoredEntry]> => {
        if (value.is === "family") return familyEntry(address, stored.get(value.tag), host.get(value.tag), toMove)
        const identity = relayUnder(stored, value.tag)
        if (identity === undefined) return []
        if (value.is === "gone") return [[address, { entry: "too many", stored: fingerprintsOf(identity) }]]
        return [[address, entryOf(identity, host.get(value.tag), toMove)]]
      })
      const named = new Set(families.map(({ tag }) => tag))
      const left = [...stored].flatMap(([tag, identity]): ReadonlyArray<[ResourceAddress, StoredEntry]> =>
        isOfFamily(identity) && !named.has(tag)
          ? [[familyAddressOf(tag), { entry: "left family", tag, id: knownFamilyId(identity) }]]
          : []
      )
      return new Map([...wanted, ...left])
    },
    Effect.catchTag(
      "IdentityStoreFailed",
      ({ message }) => Effect.fail(new ObservationFailed({ kind: "key-store", message }))
    )
  ),

  diff: (desired, observed) =>
    differences({
      // An entry that should not be there, and is not, is nothing to create.
      desired: desired.filter(({ address, value }) => value.is !== "gone" || observed.has(address)),
      observed,
      compare: (wanted, it) => {
        switch (it.entry) {
          case "same":
            return []
          case "unbound":
            return [`the TPM gives the ${nounOf(wanted)} (sensitive) to approved images only`]
          case "other":
            return [`${fingerprintLine(it.stored)} -> ${fingerprintLine(it.host)} (sensitive, changed)`]
          case "too many":
            return [
              `the TPM forgets ${fingerprintLine(it.stored)} (sensitive), for the relay ${
                wanted.is === "gone" && wanted.heir !== undefined ? "has another name now" : "was taken off this node"
              }`
            ]
          case "left family":
            return []
        }
      },
      created: (wanted) => [`the TPM keeps the ${nounOf(wanted)} (sensitive)`],
      removed: (it) =>
        it.entry === "left family"
          ? { scope: "node", lines: [`the TPM forgets the key of the family ${it.id} (sensitive)`] }
          : undefined
    }),

  apply: Effect.fn("key-store.apply")(function*(changes) {
    const store = yield* IdentityStoreReader
    const writer = yield* IdentityStoreWriter
    const files = yield* KeyFileReader
    const outcomes = new Map<ResourceAddress, Outcome>()
    return yield* Effect.gen(function*() {
      const entries = new Map(yield* store.read)
      const saved: Array<Change<DesiredEntry, StoredEntry>> = []
      const leaving: Array<{ readonly change: Change<DesiredEntry, StoredEntry>; readonly gone: GoneEntry }> = []
      for (const change of changes) {
        if (change.action === "remove") {
          if (change.observed.entry !== "left family") continue
          entries.delete(change.observed.tag)
          saved.push(change)
          continue
        }
        if (change.desired.is === "family") {
          const { id, tag } = change.desired
          const secret = (yield* familiesOnHost([change.desired])).get(tag)
          if (secret === undefined) {
            outcomes.set(change.address, failed(`no relay has the key of the family ${id} that could be saved`))
            continue
          }
          entries.set(tag, secret)
          saved.push(change)
          continue
        }
        if (change.desired.is === "gone") {
          leaving.push({ change, gone: change.desired })
          continue
        }
        const identity = yield* files.identity(change.desired)
        const refusal = refusalOf(change.desired, identity, relayUnder(entries, change.desired.tag))
        if (refusal !== undefined || Option.isNone(identity)) {
          outcomes.set(change.address, failed(refusal ?? missing(change.desired.name)))
          continue
        }
        entries.set(change.desired.tag, identity.value)
        saved.push(change)
      }
      for (const { change, gone: { heir, name, tag } } of leaving) {
        if (heir !== undefined && !entries.has(heir)) {
          outcomes.set(change.address, failed(`the key of ${name} stays until the relay's new name has it`))
          continue
        }
        entries.delete(tag)
        saved.push(change)
      }
      if (saved.length > 0) yield* writer.write(entries)
      for (const { address } of saved) outcomes.set(address, done)
      return outcomes
    }).pipe(
      Effect.catchTag("IdentityStoreFailed", ({ message }) =>
        Effect.succeed(
          new Map([...outcomesOf(changes, failed(`the identity is not saved: ${message}`)), ...outcomes])
        ))
    )
  }),

  // The TPM tells nobody when it is written.
  watch: watchKeyFiles("key-store"),
  unhurried: true
}

const nounOf = (wanted: DesiredEntry): string => wanted.is === "family" ? `key of the family ${wanted.id}` : "identity"

const missing = (name: RelayName): string => `${name} has no key files that could be saved`

/** A stored identity gives way only to the one that the server has on record: a key that is overwritten is lost. */
const refusalOf = (
  { name, record }: DesiredIdentity,
  identity: Option.Option<RelayIdentity>,
  stored: RelayIdentity | undefined
): string | undefined => {
  if (Option.isNone(identity)) return missing(name)
  if (stored === undefined || identityDigest(stored) === identityDigest(identity.value)) return undefined
  const host = fingerprintsOf(identity.value)
  if (record !== null && sameFingerprints(record, host)) return undefined
  return `the TPM keeps ${fingerprintLine(fingerprintsOf(stored))} for ${name}, the host has ${
    fingerprintLine(host)
  }, ` +
    `and the server has no record of the latter: nothing was overwritten. Move the relay's keys directory away to have ` +
    `the TPM's identity restored.`
}

/** Where the host has no usable key files yet, the entry is what they will be restored from. */
const entryOf = (stored: RelayIdentity, host: RelayIdentity | undefined, toMove: boolean): StoredEntry =>
  host === undefined || identityDigest(host) === identityDigest(stored)
    ? { entry: toMove && host !== undefined ? "unbound" : "same" }
    : { entry: "other", stored: fingerprintsOf(stored), host: fingerprintsOf(host) }

export const SavedIdentities = make(keyStoreSpec)
