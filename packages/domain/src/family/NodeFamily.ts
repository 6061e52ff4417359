import { Schema } from "effect"
import { RsaFingerprint } from "../relay/Fingerprint.ts"
import { FamilyIds } from "./FamilyId.ts"

/**
 * The family as its relays declare it. `ids` by a key that each relay has in its `keys` directory; `members`, the RSA
 * fingerprints of all relays, by naming each other. Either may be empty.
 */
export const NodeFamily = Schema.Struct({ ids: FamilyIds, members: Schema.Array(RsaFingerprint) })
export type NodeFamily = typeof NodeFamily.Type
