import { Schema } from "effect"

/** Something was saved and no slot of it can be read any more. */
export class KeyStoreDamaged extends Schema.TaggedError<KeyStoreDamaged>()("KeyStoreDamaged", {
  message: Schema.String
}) {}

/** The keys do not fit into the TPM. `fits` is a number of relays that do, perhaps not the largest. Those saved before are kept. */
export class KeyStoreFull extends Schema.TaggedError<KeyStoreFull>()("KeyStoreFull", {
  relays: Schema.Int,
  fits: Schema.Int,
  message: Schema.String
}) {}

/** An NV index that the store needs is there and was made by something else. */
export class KeyStoreObstructed extends Schema.TaggedError<KeyStoreObstructed>()("KeyStoreObstructed", {
  index: Schema.Int,
  message: Schema.String
}) {}

/** These keys cannot be saved together, or one is not a key. `relay` is the name of the first that is wrong. */
export class UnstorableKeys extends Schema.TaggedError<UnstorableKeys>()("UnstorableKeys", {
  tag: Schema.String,
  message: Schema.String
}) {}

/** Keys are to be bound to an image, and nothing was measured at boot: PCR 12, 13 and 14 are all zero. */
export class KeyStoreUnmeasured extends Schema.TaggedError<KeyStoreUnmeasured>()("KeyStoreUnmeasured", {
  message: Schema.String
}) {}
