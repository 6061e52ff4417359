import { type FamilySecret, familySecretFromBytes } from "@patela/domain/family/FamilySecret"
import { Effect } from "effect"
import { createHash, randomBytes } from "node:crypto"

/** A new key: the hash of a random seed, its scalar clamped (RFC 8032, section 5.1.5), as tor makes one. */
export const newFamilySecret: Effect.Effect<FamilySecret> = Effect.suspend(() => {
  const hash = createHash("sha512").update(randomBytes(32)).digest()
  hash[0] = (hash[0] ?? 0) & 0xf8
  hash[31] = ((hash[31] ?? 0) & 0x7f) | 0x40
  return Effect.orDie(Effect.fromResult(familySecretFromBytes(hash)))
})
