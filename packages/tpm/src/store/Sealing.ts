import { Context } from "effect"

/** Whether keys may be bound to PCRs that nothing was measured into (`--allow-unmeasured`). */
export const Sealing = Context.Reference("@patela/tpm/store/Sealing", {
  defaultValue: (): { readonly allowUnmeasured: boolean } => ({ allowUnmeasured: false })
})
