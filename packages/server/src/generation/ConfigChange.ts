import { Context, Effect } from "effect"

/**
 * The right to change what nodes are told. Every repository method that does needs it and counts itself, and only
 * `Generation.change` gives it: a change that would not be counted does not compile.
 */
export class ConfigChange extends Context.Service<ConfigChange, { readonly counted: Effect.Effect<void> }>()(
  "@patela/server/generation/ConfigChange"
) {
  /** Says that the transaction under way changes what a node is told. */
  static readonly counted: Effect.Effect<void, never, ConfigChange> = Effect.flatMap(
    ConfigChange,
    ({ counted }) => counted
  )
}
