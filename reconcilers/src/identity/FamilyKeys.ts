import type { FamilyId } from "@patela/domain/family/FamilyId"
import type { FamilySecret } from "@patela/domain/family/FamilySecret"
import { type Change, differences } from "@patela/domain/reconciler/Change"
import { type KindSpec, make } from "@patela/domain/reconciler/Kind"
import { done, failed, type Outcome } from "@patela/domain/reconciler/Outcome"
import { relayScope, type ResourceAddress } from "@patela/domain/reconciler/Resource"
import type { RelayName } from "@patela/domain/relay/RelayName"
import { uidOf } from "@patela/domain/relay/Slot"
import { Effect, Stream } from "effect"
import { FileMonitor } from "../host/FileMonitor.ts"
import { INSTANCES_STATE } from "../host/HostPaths.ts"
import { familyFileName, FamilyKeyReader, type FoundFamilyKey } from "./FamilyKeyReader.ts"
import { FamilyKeySource } from "./FamilyKeySource.ts"
import { FamilyKeyWriter } from "./FamilyKeyWriter.ts"
import type { KeyOwner } from "./HostIdentity.ts"
import { IdentityPolicy } from "./IdentityPolicy.ts"
import { familyTagOf, IdentityStoreReader, type StoredIdentities } from "./IdentityStore.ts"
import { untidyIn } from "./KeyDirectory.ts"

const addressOf = (name: RelayName): ResourceAddress => `relay/${name}/family-keys`

/** The keys that a relay declares its family by. */
export interface DesiredFamilyKeys extends KeyOwner {
  readonly ids: ReadonlyArray<FamilyId>
}

/** What a relay has of them. */
export interface HostFamilyKeys {
  readonly name: RelayName
  readonly found: ReadonlyArray<FoundFamilyKey>
}

type FamilyChange = Change<DesiredFamilyKeys, HostFamilyKeys>
type FamilyWriters = FamilyKeyReader | FamilyKeySource | FamilyKeyWriter | IdentityStoreReader

/**
 * Every relay has the keys of the families that its torrc will declare, before it does: from a neighbour on this host, from
 * the TPM, or from the server, which seals them to this TPM. Those that Patela wrote and the configuration does not name
 * go.
 */
export const familyKeysSpec: KindSpec<
  DesiredFamilyKeys,
  HostFamilyKeys,
  FamilyKeyReader | FileMonitor,
  FamilyWriters
> = {
  kind: "family-keys",

  desired: ({ config }) => {
    const ids = config.family?.ids ?? []
    if (ids.length === 0) return []
    return config.relays.map(({ name, slot }) => ({
      address: addressOf(name),
      scope: relayScope(name),
      needs: [`relay/${name}/account`, `relay/${name}/directories`, `relay/${name}/identity`],
      value: { name, uid: uidOf(slot), gid: uidOf(slot), ids }
    }))
  },

  observe: Effect.fn("family-keys.observe")(function*() {
    const seen = yield* (yield* FamilyKeyReader).look
    return new Map([...seen].map(([name, found]) => [addressOf(name), { name, found }]))
  }),

  diff: (desired, observed) =>
    differences({
      desired,
      observed,
      compare: linesOf,
      created: (wanted) => linesOf(wanted, { name: wanted.name, found: [] }),
      removed: ({ found, name }) => ({ scope: relayScope(name), lines: found.map(goes) })
    }),

  apply: Effect.fn("family-keys.apply")(function*(changes) {
    const secrets = yield* secretsFor(changes)
    const outcomes = yield* Effect.forEach(
      changes,
      (change) => Effect.map(applyOne(change, secrets), (outcome) => [change.address, outcome] as const),
      { concurrency: 16 }
    )
    return new Map(outcomes)
  }),

  watch: Stream.unwrap(
    FileMonitor.useSync((files) => files.changes("family-keys", [`${INSTANCES_STATE}/*/keys/patela-*`]))
  )
}

const isRight = (wanted: DesiredFamilyKeys, id: FamilyId, key: FoundFamilyKey): boolean =>
  key.file === familyFileName(id) && key.id === id && untidyIn(key.file, key, wanted).length === 0

const toWrite = (wanted: DesiredFamilyKeys, { found }: HostFamilyKeys): ReadonlyArray<FamilyId> =>
  wanted.ids.filter((id) => !found.some((key) => isRight(wanted, id, key)))

const tooMany = ({ ids }: DesiredFamilyKeys, { found }: HostFamilyKeys): ReadonlyArray<FoundFamilyKey> =>
  found.filter(({ file }) => !ids.some((id) => familyFileName(id) === file))

const goes = ({ file, id }: FoundFamilyKey): string => `family key ${id ?? file} (sensitive) goes`

const linesOf = (wanted: DesiredFamilyKeys, host: HostFamilyKeys): ReadonlyArray<string> => [
  ...toWrite(wanted, host).flatMap((id) => {
    const before = host.found.find(({ file }) => file === familyFileName(id))
    if (before === undefined) return [`family key ${id} (sensitive)`]
    return before.id === id ? untidyIn(before.file, before, wanted) : [`family key ${id} (sensitive, changed)`]
  }),
  ...tooMany(wanted, host).map(goes)
]

const hostOf = (change: Exclude<FamilyChange, { readonly action: "remove" }>): HostFamilyKeys =>
  change.action === "update" ? change.observed : { name: change.desired.name, found: [] }

/** The keys that the changes write, or why one is not to be had. */
const secretsFor = Effect.fnUntraced(function*(changes: ReadonlyArray<FamilyChange>) {
  const wanted = changes.flatMap((change) => change.action === "remove" ? [] : [change])
  const ids = [...new Set(wanted.flatMap((change) => toWrite(change.desired, hostOf(change))))]
  const secrets = new Map<FamilyId, FamilySecret>()
  const missing = () => ids.filter((id) => !secrets.has(id))
  if (ids.length === 0) return { secrets, why: "" }
  const neighbours = [...(yield* (yield* FamilyKeyReader).look).keys()]
  for (const [id, secret] of yield* (yield* FamilyKeyReader).secrets(neighbours, ids)) secrets.set(id, secret)
  if (missing().length > 0 && (yield* IdentityPolicy).restore) {
    // A TPM that cannot be read is what the relays' identities say; the server can still help with these.
    const stored = yield* Effect.orElseSucceed((yield* IdentityStoreReader).read, (): StoredIdentities => new Map())
    for (const id of missing()) {
      const secret = stored.get(familyTagOf(id))
      if (secret !== undefined) secrets.set(id, secret)
    }
  }
  if (missing().length === 0) return { secrets, why: "" }
  const asked = yield* Effect.result((yield* FamilyKeySource).ask(missing()))
  if (asked._tag === "Failure") return { secrets, why: asked.failure.message }
  for (const [id, secret] of asked.success) secrets.set(id, secret)
  return { secrets, why: "the server sent others" }
})

const applyOne = Effect.fnUntraced(
  function*(
    change: FamilyChange,
    { secrets, why }: { readonly secrets: ReadonlyMap<FamilyId, FamilySecret>; readonly why: string }
  ) {
    const writer = yield* FamilyKeyWriter
    if (change.action === "remove") {
      for (const { file } of change.observed.found) yield* writer.remove(change.observed.name, file)
      return done
    }
    const { desired } = change
    const host = hostOf(change)
    for (const id of toWrite(desired, host)) {
      const secret = secrets.get(id)
      if (secret === undefined) return failed(`${desired.name} has no key of its family ${id}: ${why}`)
      yield* writer.write(desired, id, secret)
    }
    for (const { file } of tooMany(desired, host)) yield* writer.remove(desired.name, file)
    return done
  },
  Effect.catch(({ message }): Effect.Effect<Outcome> => Effect.succeed(failed(message)))
)

export const FamilyKeys = make(familyKeysSpec)
