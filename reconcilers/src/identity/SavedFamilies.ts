import type { FamilyId } from "@patela/domain/family/FamilyId"
import type { FamilySecret } from "@patela/domain/family/FamilySecret"
import type { ResourceAddress } from "@patela/domain/reconciler/Resource"
import type { RelayName } from "@patela/domain/relay/RelayName"
import { Effect } from "effect"
import { FamilyKeyReader } from "./FamilyKeyReader.ts"
import { familyTagOf, type StoredIdentities, type StoreTag } from "./IdentityStore.ts"
import { identityDigest } from "./RelayIdentity.ts"

/** A family's key, which the store should hold and `relays` have. */
export interface DesiredFamily {
  readonly is: "family"
  readonly id: FamilyId
  readonly tag: StoreTag
  readonly relays: ReadonlyArray<RelayName>
}

/** How a family's entry compares with what the host has; it is not observed where it is to be written. */
export type FamilyEntry = { readonly entry: "same" } | { readonly entry: "unbound" }

/** No relay has a name with a hyphen. */
export const familyAddressOf = (tag: StoreTag): ResourceAddress => `node/key-store/family-${tag}`

/** The keys of families that relays of this host have, as the store would hold them. */
export const familiesOnHost = Effect.fnUntraced(function*(families: ReadonlyArray<DesiredFamily>) {
  if (families.length === 0) return new Map() satisfies StoredIdentities
  const relays = families.flatMap((family) => family.relays)
  const secrets = yield* (yield* FamilyKeyReader).secrets(relays, families.map(({ id }) => id))
  return new Map([...secrets].map(([id, secret]) => [familyTagOf(id), secret] as const)) satisfies StoredIdentities
})

/** A family's key that is not the host's is no entry of it: a tag does not tell one key from another. */
export const familyEntry = (
  address: ResourceAddress,
  stored: FamilySecret | undefined,
  host: FamilySecret | undefined,
  toMove: boolean
): ReadonlyArray<[ResourceAddress, FamilyEntry]> => {
  if (stored === undefined || (host !== undefined && identityDigest(host) !== identityDigest(stored))) return []
  return [[address, { entry: toMove && host !== undefined ? "unbound" : "same" }]]
}
