import { Context, Effect } from "effect"

/**
 * What a kind runs between steps that take long by themselves, so that who watches the agent does not take it to hang. It
 * does nothing unless somebody watches.
 */
export const SignOfLife = Context.Reference<Effect.Effect<void>>("@patela/reconcilers/host/SignOfLife", {
  defaultValue: () => Effect.void
})
