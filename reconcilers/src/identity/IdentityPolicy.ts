import { Context } from "effect"

/** `restore: false` is `--skip-restore`: the store is not asked for identities, so only new relays can come up. */
export const IdentityPolicy = Context.Reference<{ readonly restore: boolean }>(
  "@patela/reconcilers/identity/IdentityPolicy",
  { defaultValue: () => ({ restore: true }) }
)
