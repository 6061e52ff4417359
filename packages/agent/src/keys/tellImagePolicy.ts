import type { NodeConfig } from "@patela/domain/node/NodeConfig"
import { CurrentImagePolicy, ImagePolicy } from "@patela/tpm/policy/ImagePolicy"
import { Effect, Option, Schema } from "effect"

/**
 * Has the TPM know which images the configuration approves. One that cannot be read is as none: a store that is bound
 * stays closed, and one that is not stays the owner's.
 */
export const tellImagePolicy = Effect.fn("tellImagePolicy")(function*({ image_policy }: NodeConfig) {
  const current = yield* CurrentImagePolicy
  if (image_policy === undefined) return yield* current.set(Option.none())
  const policy = yield* Effect.option(Schema.decodeEffect(ImagePolicy)(image_policy))
  if (Option.isNone(policy)) yield* Effect.logError("the server's image policy cannot be read; it is taken for none")
  yield* current.set(policy)
})
