import type { RelayName } from "@patela/domain/relay/RelayName"
import { Context, Effect, Layer, Schema, Semaphore } from "effect"
import { OWNED_FILE } from "../host/HostPaths.ts"
import { causeText } from "../host/SystemError.ts"
import { readLedger, replaceLedger } from "./LedgerFile.ts"
import {
  type AddressOf,
  disowning,
  disowningAddresses,
  type Owned,
  type OwnedAddress,
  type OwnedPart,
  owning,
  owningAddresses
} from "./Owned.ts"

/** The ledger could not be written, so what it was to speak of must not be made. */
export class LedgerNotWritten extends Schema.TaggedError<LedgerNotWritten>()("LedgerNotWritten", {
  path: Schema.String,
  message: Schema.String
}) {}

/** Keeps what Patela made on this boot. A name is written before its thing is made, and struck out after it is gone. */
export class LedgerWriter extends Context.Service<LedgerWriter, {
  readonly own: (part: OwnedPart, names: ReadonlyArray<RelayName>) => Effect.Effect<void, LedgerNotWritten>
  readonly disown: (part: OwnedPart, names: ReadonlyArray<RelayName>) => Effect.Effect<void, LedgerNotWritten>
  readonly ownAddresses: (
    added: ReadonlyArray<OwnedAddress>,
    anew?: ReadonlyArray<string>
  ) => Effect.Effect<void, LedgerNotWritten>
  readonly disownAddresses: (gone: ReadonlyArray<AddressOf>) => Effect.Effect<void, LedgerNotWritten>
}>()("@patela/reconcilers/ledger/LedgerWriter") {
  static readonly layerAt = (path: string): Layer.Layer<LedgerWriter> =>
    Layer.effect(
      LedgerWriter,
      Effect.gen(function*() {
        const oneAtATime = yield* Semaphore.make(1)
        const notWritten = (why: string) =>
          new LedgerNotWritten({ path, message: `cannot write what is Patela's to ${path}: ${why}` })

        const update = (change: (owned: Owned) => Owned) =>
          Effect.gen(function*() {
            const before = yield* Effect.mapError(readLedger(path), ({ message }) => notWritten(message))
            const after = change(before)
            if (after === before) return
            yield* Effect.tryPromise({
              try: () => replaceLedger(path, after),
              catch: (cause) => notWritten(causeText(cause))
            })
          }).pipe(oneAtATime.withPermit)

        return LedgerWriter.of({
          own: Effect.fn("LedgerWriter.own")((part, names) => update((owned) => owning(owned, part, names))),
          disown: Effect.fn("LedgerWriter.disown")((part, names) => update((owned) => disowning(owned, part, names))),
          ownAddresses: Effect.fn("LedgerWriter.ownAddresses")((added, anew) =>
            update((owned) => owningAddresses(owned, added, anew))
          ),
          disownAddresses: Effect.fn("LedgerWriter.disownAddresses")((gone) =>
            update((owned) => disowningAddresses(owned, gone))
          )
        })
      })
    )

  static readonly layer: Layer.Layer<LedgerWriter> = LedgerWriter.layerAt(OWNED_FILE)
}
