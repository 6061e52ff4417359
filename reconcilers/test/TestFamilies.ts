import { familyIdOf, type FamilySecret, familySecretFromBytes } from "@patela/domain/family/FamilySecret"
import { Redacted, Result } from "effect"
import { textsOf } from "./Overheard.ts"
import { expanded } from "./TestIdentities.ts"

/** Keys of three families, and their identities. */
export const FAMILIES = [1, 2, 3].map((seed) => {
  const secret: FamilySecret = Result.getOrThrow(familySecretFromBytes(expanded(new Uint8Array(32).fill(seed))))
  return { id: familyIdOf(secret), secret }
})

/** Texts of which every writing of a key has one in it: of both parts, cut where base64 is. */
export const FAMILY_SECRETS: ReadonlyArray<string> = FAMILIES.flatMap(({ secret }) => {
  const bytes = Redacted.value(secret)
  return [bytes.slice(0, 30), bytes.slice(33, 63)].flatMap(textsOf)
})
