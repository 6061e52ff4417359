import type { FamilyId } from "@patela/domain/family/FamilyId"
import { FAMILY_SECRET_BYTES, type FamilySecret } from "@patela/domain/family/FamilySecret"
import type { RelayName } from "@patela/domain/relay/RelayName"
import { Context, type Effect, Option, Redacted, Result, Schema } from "effect"
import { createHash } from "node:crypto"
import { IDENTITY_BYTES, identityFromBytes, type RelayIdentity } from "./RelayIdentity.ts"

/**
 * Under what the store keeps an identity: the first 4 bytes of SHA-256 of a relay's name, or of a family's public
 * identity, as 8 hex digits. A TPM has room for few bytes, and a name is not needed to find an entry, only to make one.
 */
export const StoreTag = Schema.String.pipe(
  Schema.check(Schema.isPattern(/^[0-9a-f]{8}$/, { message: "a store tag is 8 lower-case hex digits" })),
  Schema.brand("StoreTag")
)
export type StoreTag = typeof StoreTag.Type

const TAG_BYTES = 4

const tagOf = (text: string): StoreTag =>
  StoreTag.make(createHash("sha256").update(text).digest("hex").slice(0, TAG_BYTES * 2))

export const storeTagOf = (name: RelayName): StoreTag => tagOf(name)

export const familyTagOf = (id: FamilyId): StoreTag => tagOf(id)

/**
 * All that the store holds, also of relays that no configuration names. Whether it is a relay's or a family's, its length
 * says.
 */
export type StoredIdentities = ReadonlyMap<StoreTag, RelayIdentity | FamilySecret>

export const isOfFamily = (identity: RelayIdentity | FamilySecret): boolean =>
  Redacted.value(identity).length === FAMILY_SECRET_BYTES

/** The relay's identity under a tag; undefined also where a family's key is there. */
export const relayUnder = (entries: StoredIdentities, tag: StoreTag): RelayIdentity | undefined => {
  const found = entries.get(tag)
  return found === undefined || isOfFamily(found) ? undefined : found
}

/** The store could not be read or written. `message` says why and what to do, and holds no secret. */
export class IdentityStoreFailed extends Schema.TaggedError<IdentityStoreFailed>()("IdentityStoreFailed", {
  reason: Schema.Literals(["absent", "refused", "damaged", "full", "unavailable"]),
  message: Schema.String
}) {}

/** Looks at the store that survives a power cut: the node's TPM. */
export class IdentityStoreReader extends Context.Service<IdentityStoreReader, {
  /** Everything; empty where nothing was ever stored. */
  readonly read: Effect.Effect<StoredIdentities, IdentityStoreFailed>
  /** `digestOfStored` of what `read` would give, from the store's header alone; none where nothing was ever stored. */
  readonly digest: Effect.Effect<Option.Option<string>, IdentityStoreFailed>
  /** Whether what is stored is to be written again as it is, to be bound to the approved images. */
  readonly isToMove: Effect.Effect<boolean, IdentityStoreFailed>
}>()("@patela/reconcilers/identity/IdentityStoreReader") {}

/** Replaces what the store holds: all of it, or nothing. */
export class IdentityStoreWriter extends Context.Service<IdentityStoreWriter, {
  readonly write: (entries: StoredIdentities) => Effect.Effect<void, IdentityStoreFailed>
}>()("@patela/reconcilers/identity/IdentityStoreWriter") {}

/**
 * The entries as one run of bytes: tag (4) and identity, the relays' (192) and then the families' (64), each ordered by
 * tag. The same entries give the same bytes.
 */
export const encodeStored = (entries: StoredIdentities): Redacted.Redacted<Uint8Array> =>
  Redacted.make<Uint8Array>(Buffer.concat(
    [...entries].sort(([one, its], [other, others]) => lengthOf(others) - lengthOf(its) || (one < other ? -1 : 1))
      .flatMap(([tag, identity]) => [Buffer.from(tag, "hex"), Redacted.value(identity)])
  ))

const lengthOf = (identity: RelayIdentity | FamilySecret): number => Redacted.value(identity).length

/** Back from `encodeStored`, of relays alone; what is no such run of bytes is refused whole. */
export const decodeStored = (
  bytes: Redacted.Redacted<Uint8Array>
): Result.Result<StoredIdentities, IdentityStoreFailed> => {
  const all = Redacted.value(bytes)
  const size = TAG_BYTES + IDENTITY_BYTES
  if (all.length % size !== 0) return damaged(`${all.length} bytes are no whole number of entries of ${size}`)
  const entries = new Map<StoreTag, RelayIdentity>()
  for (let at = 0; at < all.length; at += size) {
    const tag = StoreTag.make(Buffer.from(all.subarray(at, at + TAG_BYTES)).toString("hex"))
    const identity = identityFromBytes(all.subarray(at + TAG_BYTES, at + size))
    if (Result.isFailure(identity)) return damaged(`entry ${tag}: ${identity.failure.message}`)
    entries.set(tag, identity.success)
  }
  return Result.succeed(entries)
}

/** SHA-256 of `encodeStored`, as hex. */
export const digestOfStored = (entries: StoredIdentities): string =>
  createHash("sha256").update(Redacted.value(encodeStored(entries))).digest("hex")

/** The same of a store that holds just the identities of these relays, and these of families; none where one is missing. */
export const digestOfRelays = (
  relays: ReadonlyArray<readonly [RelayName, Option.Option<RelayIdentity>]>,
  families: StoredIdentities = new Map()
): Option.Option<string> => {
  const entries = new Map(
    relays.flatMap(([name, identity]) => Option.toArray(identity).map((each) => [storeTagOf(name), each] as const))
  )
  if (entries.size !== relays.length) return Option.none()
  return Option.some(digestOfStored(new Map([...entries, ...families])))
}

const damaged = (why: string): Result.Result<never, IdentityStoreFailed> =>
  Result.fail(new IdentityStoreFailed({ reason: "damaged", message: `the identity store is damaged: ${why}` }))
