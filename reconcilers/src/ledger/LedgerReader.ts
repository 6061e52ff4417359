import type { ObservationFailed } from "@patela/domain/reconciler/Kind"
import { Context, Effect, Layer } from "effect"
import { decodedOnce } from "../host/decodedOnce.ts"
import { OWNED_FILE } from "../host/HostPaths.ts"
import { parseLedger, readLedger } from "./LedgerFile.ts"
import type { Owned } from "./Owned.ts"

/** Tells what Patela made on this boot. */
export class LedgerReader extends Context.Service<LedgerReader, {
  /** Fails where the ledger is there but cannot be understood: then nothing may be removed. */
  readonly read: Effect.Effect<Owned, ObservationFailed>
}>()("@patela/reconcilers/ledger/LedgerReader") {
  static readonly layerAt = (path: string): Layer.Layer<LedgerReader> =>
    Layer.sync(LedgerReader, () => {
      // Several kinds ask for it in one pass.
      const parse = decodedOnce((text) => parseLedger(path, text))
      return LedgerReader.of({ read: Effect.suspend(() => readLedger(path, parse)) })
    })

  static readonly layer: Layer.Layer<LedgerReader> = LedgerReader.layerAt(OWNED_FILE)
}
