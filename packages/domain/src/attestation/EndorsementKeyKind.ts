import { Schema } from "effect"

/** The endorsement keys that are accepted, each by the TCG's template for it (TCG EK Credential Profile, L-2, L-1, H-3). */
export const EndorsementKeyKind = Schema.Literals(["ecc-p256", "rsa-2048", "ecc-p384"])
export type EndorsementKeyKind = typeof EndorsementKeyKind.Type
