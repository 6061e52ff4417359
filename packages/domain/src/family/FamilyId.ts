import { Schema } from "effect"

/**
 * The public identity of a family of relays: its ed25519 key as base64 with no padding, 43 characters, as `FamilyId` takes
 * it and `tor --keygen-family` writes it (tor manual, FamilyId; tor proposal 321).
 */
export const FamilyId = Schema.String.pipe(
  Schema.check(
    Schema.isPattern(/^[0-9A-Za-z+/]{43}$/, { message: "a family's identity is 43 base64 characters" })
  ),
  Schema.brand("FamilyId")
)
export type FamilyId = typeof FamilyId.Type

/** How many keys a family has at most: the one of now, and until a rotation is finished the one of before. */
export const FAMILY_KEYS = 2

/** The identities of one family, the newest first. */
export const FamilyIds = Schema.Array(FamilyId).pipe(Schema.check(Schema.isMaxLength(FAMILY_KEYS)))
