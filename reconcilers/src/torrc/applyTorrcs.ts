import { done, failed, type Outcome } from "@patela/domain/reconciler/Outcome"
import { Effect } from "effect"
import { availableParallelism } from "node:os"
import { torrcFileOf } from "../host/HostPaths.ts"
import type { TorrcChange } from "./diffTorrcs.ts"
import { whyForeign } from "./ObservedTorrc.ts"
import { TorrcVerifier } from "./TorrcVerifier.ts"
import { TorrcWriter } from "./TorrcWriter.ts"

/** Each torrc for itself: verified by tor, and put in place only then. As many at once as the machine has CPUs. */
export const applyTorrcs = Effect.fn("torrc.apply")(function*(changes: ReadonlyArray<TorrcChange>) {
  const outcomes = yield* Effect.forEach(
    changes,
    (change) => Effect.map(applyOne(change), (outcome) => [change.address, outcome] as const),
    { concurrency: availableParallelism() }
  )
  return new Map(outcomes)
})

const applyOne = Effect.fn("torrc.applyOne")(function*(change: TorrcChange) {
  const writer = yield* TorrcWriter
  const verifier = yield* TorrcVerifier
  if (change.action === "remove") return yield* Effect.match(writer.remove(change.observed.relay), whatBecame)
  const { content, relay } = change.desired
  const foreign = change.action === "update" ? whyForeign(change.observed) : undefined
  if (foreign !== undefined) return failed(`${torrcFileOf(relay)} ${foreign}; remove it, or boot an image without it`)
  return yield* verifier.verify(relay, content).pipe(
    Effect.andThen(writer.write(change.desired)),
    Effect.match(whatBecame)
  )
})

const whatBecame = {
  onFailure: ({ message }: { readonly message: string }): Outcome => failed(message),
  onSuccess: (): Outcome => done
}
