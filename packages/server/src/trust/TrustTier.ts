import { Schema } from "effect"

/**
 * How much is known of where an endorsement key is, the least first. `first-use`: a person compared a fingerprint.
 * `allow-listed`: its hash was allowed beforehand. `certified`: a vendor's certificate says that it is in a TPM.
 */
export const TRUST_TIERS = ["first-use", "allow-listed", "certified"] as const
export const TrustTier = Schema.Literals(TRUST_TIERS)
export type TrustTier = typeof TrustTier.Type

/** Whether a tier is as good as the lowest that is accepted, or better. */
export const reaches = (tier: TrustTier, lowest: TrustTier): boolean =>
  TRUST_TIERS.indexOf(tier) >= TRUST_TIERS.indexOf(lowest)

/** The tier of a key, from the two things that raise it. */
export const tierOf = (known: { readonly certified: boolean; readonly allowed: boolean }): TrustTier =>
  known.certified ? "certified" : known.allowed ? "allow-listed" : "first-use"
