import { Schema } from "effect"
import { FamilyId, FamilyIds } from "../family/FamilyId.ts"
import { HexText } from "./HexText.ts"
import type { ProvedKeys } from "./Proof.ts"

/** A node asks for the keys of its family that it has not. */
export const FamilyKeysRequest = Schema.Struct({ ids: FamilyIds })

/**
 * The keys, sealed to the node's TPM. `blob` is a TPM2B_ID_OBJECT and `secret` a TPM2B_ENCRYPTED_SECRET (TPM 2.0 part 1,
 * 24): activating them gives 32 bytes. Each `sealed` is a family's 64 secret bytes under those, AES-256-GCM as nonce
 * (12 bytes) || ciphertext || tag (16 bytes), with `familySealedWith` as associated data.
 */
export const SealedFamilyKeys = Schema.Struct({
  blob: HexText,
  secret: HexText,
  keys: Schema.Array(Schema.Struct({ id: FamilyId, sealed: HexText }))
})
export type SealedFamilyKeys = typeof SealedFamilyKeys.Type

/** What binds a sealed key to its family and its node: the UTF-8 bytes of this text. Identities are case-sensitive. */
export const familySealedWith = (id: FamilyId, keys: ProvedKeys): string =>
  ["patela family v1", ...[keys.ek_public, keys.ak_public, keys.ak_name].map((part) => part.toLowerCase()), id]
    .join("\n")
