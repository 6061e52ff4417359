import type { FamilyId } from "@patela/domain/family/FamilyId"
import { familyIdOf, type FamilySecret } from "@patela/domain/family/FamilySecret"
import { identityDigest } from "./RelayIdentity.ts"

/** What was computed before, by `identityDigest`: nothing secret stands in it, and all relays of a node have the same key. */
const computed = new Map<string, FamilyId>()

/** `familyIdOf`, which takes a millisecond, once for a key. */
export const knownFamilyId = (secret: FamilySecret): FamilyId => {
  const digest = identityDigest(secret)
  const id = computed.get(digest) ?? familyIdOf(secret)
  computed.set(digest, id)
  return id
}
