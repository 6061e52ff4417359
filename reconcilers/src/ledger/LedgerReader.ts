import type { ObservationFailed } from "@patela/domain/reconciler/Kind"
import { Context, type Effect, Layer } from "effect"
import { OWNED_FILE } from "../host/HostPaths.ts"
import { readLedger } from "./LedgerFile.ts"
import type { Owned } from "./Owned.ts"

/** Tells what Patela made on this boot. */
export class LedgerReader extends Context.Service<LedgerReader, {
  /** Fails where the ledger is there but cannot be understood: then nothing may be removed. */
  readonly read: Effect.Effect<Owned, ObservationFailed>
}>()("@patela/reconcilers/ledger/LedgerReader") {
  static readonly layerAt = (path: string): Layer.Layer<LedgerReader> =>
    Layer.succeed(LedgerReader, LedgerReader.of({ read: readLedger(path) }))

  static readonly layer: Layer.Layer<LedgerReader> = LedgerReader.layerAt(OWNED_FILE)
}
