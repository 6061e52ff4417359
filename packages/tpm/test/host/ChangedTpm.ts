import { Tpm } from "@patela/tpm/transport/Tpm"
import { Effect, Layer } from "effect"

/** What becomes of a command that changes NV memory. */
export type OnChange = <A, E>(command: Effect.Effect<A, E>) => Effect.Effect<A, E>

/** A TPM whose commands that change NV memory go through `change` first: to count them, or to kill the TPM at one. */
export const changedTpm = (change: OnChange): Layer.Layer<Tpm, never, Tpm> =>
  Layer.effect(
    Tpm,
    Effect.map(Tpm, (tpm) =>
      Tpm.of({
        ...tpm,
        nvWrite: (index, offset, data) => change(tpm.nvWrite(index, offset, data)),
        nvDefine: (index, size) => change(tpm.nvDefine(index, size)),
        nvUndefine: (index) => change(tpm.nvUndefine(index))
      }))
  )
