import { type Change, differences } from "@patela/domain/reconciler/Change"
import { type KindSpec, make, ObservationFailed } from "@patela/domain/reconciler/Kind"
import { done, failed, type Outcome, outcomesOf } from "@patela/domain/reconciler/Outcome"
import { relayScope, type ResourceAddress } from "@patela/domain/reconciler/Resource"
import type { Fingerprints } from "@patela/domain/relay/Fingerprint"
import type { RelayName } from "@patela/domain/relay/RelayName"
import { uidOf } from "@patela/domain/relay/Slot"
import { Effect, Option } from "effect"
import type { FileMonitor } from "../host/FileMonitor.ts"
import { fingerprintLine, sameFingerprints } from "./HostIdentity.ts"
import { IdentityStoreReader, IdentityStoreWriter, type StoreTag, storeTagOf } from "./IdentityStore.ts"
import { KeyFileReader } from "./KeyFileReader.ts"
import { fingerprintsOf, identityDigest, type RelayIdentity } from "./RelayIdentity.ts"
import type { DesiredIdentity } from "./Restoration.ts"
import { watchKeyFiles } from "./watchKeyFiles.ts"

const addressOf = (name: RelayName): ResourceAddress => `relay/${name}/key-store`

/**
 * A relay's entry: the one that the host has, the same not yet bound to the approved images, another, or one too many.
 * Relays with no entry are not observed.
 */
export type StoredEntry =
  | { readonly entry: "same" }
  | { readonly entry: "unbound" }
  | { readonly entry: "other"; readonly stored: Fingerprints; readonly host: Fingerprints }
  | { readonly entry: "too many"; readonly stored: Fingerprints }

/**
 * What the store should hold for a relay: its identity, or nothing for one that a person took off the node, or that has
 * another name now: `heir` is that name's tag, which the identity is to be kept under first.
 */
export type DesiredEntry =
  | (DesiredIdentity & { readonly is: "kept"; readonly tag: StoreTag })
  | { readonly is: "gone"; readonly name: RelayName; readonly tag: StoreTag; readonly heir: StoreTag | undefined }

type GoneEntry = Extract<DesiredEntry, { readonly is: "gone" }>

/**
 * The identity of every configured relay is in the store that outlives the boot, and of no relay that a person took off
 * this node (`removed`), nor under a name that a relay had before. All other entries are kept: a key in the TPM goes only
 * by that explicit word.
 */
export const keyStoreSpec: KindSpec<
  DesiredEntry,
  StoredEntry,
  FileMonitor | IdentityStoreReader | KeyFileReader,
  IdentityStoreReader | IdentityStoreWriter | KeyFileReader
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
    return [...kept, ...gone]
  },

  observe: Effect.fn("key-store.observe")(
    function*(desired) {
      const files = yield* KeyFileReader
      const store = yield* IdentityStoreReader
      const owners = desired.flatMap(({ value }) => value.is === "kept" ? [value] : [])
      const digest = yield* store.digest
      if (Option.isNone(digest)) return new Map<ResourceAddress, StoredEntry>()
      const toMove = yield* store.isToMove
      // In the steady state the store holds just what the host has, and its header says so.
      if (!toMove && Option.contains(yield* files.storedDigest(owners), digest.value)) {
        return new Map(owners.map(({ name }): [ResourceAddress, StoredEntry] => [addressOf(name), { entry: "same" }]))
      }
      const onHost = yield* Effect.forEach(
        owners,
        (owner) => Effect.map(files.identity(owner), (identity) => [owner.tag, identity] as const),
        { concurrency: 16 }
      )
      const host = new Map(
        onHost.flatMap(([tag, identity]) => Option.toArray(identity).map((it) => [tag, it] as const))
      )
      const stored = yield* store.read
      return new Map(desired.flatMap(({ address, value }): ReadonlyArray<[ResourceAddress, StoredEntry]> => {
        const identity = stored.get(value.tag)
        if (identity === undefined) return []
        if (value.is === "gone") return [[address, { entry: "too many", stored: fingerprintsOf(identity) }]]
        return [[address, entryOf(identity, host.get(value.tag), toMove)]]
      }))
    },
    Effect.catchTag(
      "IdentityStoreFailed",
      ({ message }) => Effect.fail(new ObservationFailed({ kind: "key-store", message }))
    )
  ),

  diff: (desired, observed) =>
    differences({
      // An entry that should not be there, and is not, is nothing to create.
      desired: desired.filter(({ address, value }) => value.is === "kept" || observed.has(address)),
      observed,
      compare: (wanted, it) => {
        switch (it.entry) {
          case "same":
            return []
          case "unbound":
            return ["the TPM gives the identity (sensitive) to approved images only"]
          case "other":
            return [`${fingerprintLine(it.stored)} -> ${fingerprintLine(it.host)} (sensitive, changed)`]
          case "too many":
            return [
              `the TPM forgets ${fingerprintLine(it.stored)} (sensitive), for the relay ${
                wanted.is === "gone" && wanted.heir !== undefined ? "has another name now" : "was taken off this node"
              }`
            ]
        }
      },
      created: () => ["the TPM keeps the identity (sensitive)"],
      removed: () => undefined
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
        if (change.action === "remove") continue
        if (change.desired.is === "gone") {
          leaving.push({ change, gone: change.desired })
          continue
        }
        const identity = yield* files.identity(change.desired)
        const refusal = refusalOf(change.desired, identity, entries.get(change.desired.tag))
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
  watch: watchKeyFiles("key-store")
}

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
