import { ObservationFailed } from "@patela/domain/reconciler/Kind"
import { RESOLVER_FILE } from "@patela/domain/torrc/ManagedLines"
import { Context, Effect, Layer } from "effect"
import { lookAtFile, type LookedAt } from "../host/LookAtFile.ts"
import { causeText } from "../host/SystemError.ts"

/** Reads Patela's file of name servers. */
export class ResolverReader extends Context.Service<ResolverReader, {
  readonly read: Effect.Effect<LookedAt, ObservationFailed>
}>()("@patela/reconcilers/resolver/ResolverReader") {
  static readonly layerAt = (path: string): Layer.Layer<ResolverReader> =>
    Layer.succeed(
      ResolverReader,
      ResolverReader.of({
        read: Effect.try({
          try: () => lookAtFile(path),
          catch: (cause) =>
            new ObservationFailed({ kind: "resolver", message: `cannot read ${path}: ${causeText(cause)}` })
        })
      })
    )

  static readonly layer: Layer.Layer<ResolverReader> = ResolverReader.layerAt(RESOLVER_FILE)
}
