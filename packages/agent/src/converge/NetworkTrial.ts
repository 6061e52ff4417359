import type { ChangeView } from "@patela/domain/reconciler/Change"
import type { DesiredInput, Kind } from "@patela/domain/reconciler/Kind"
import type { Outcome } from "@patela/domain/reconciler/Outcome"
import { Effect } from "effect"
import { ServerProbe } from "../host/ServerProbe.ts"
import { TrialFile } from "../host/TrialFile.ts"

/** Why a network change was taken back, and whether everything is as it was. */
export interface RolledBack {
  readonly why: string
  /** What could not be put back, one line a kind; empty when all of it is. */
  readonly left: ReadonlyArray<string>
}

/** What the network kinds had before they were changed, and the question whether the server can still be reached. */
export interface NetworkTrial {
  /** After the changes: undefined when a new connection to the server succeeds, else everything was put back. */
  readonly judge: Effect.Effect<RolledBack | undefined>
}

interface Restorer {
  readonly kind: string
  readonly restore: Effect.Effect<Outcome>
}

/**
 * Begins a trial before the first network change of a configuration that is new to this host. Where the server cannot be
 * reached before the change either, nothing can be learnt from it afterwards: there is no trial, and the change stays.
 */
export const beginTrial = Effect.fn("NetworkTrial.begin")(
  function*<Read, Write>(
    kinds: ReadonlyArray<Kind<Read, Write>>,
    input: DesiredInput
  ) {
    const probe = yield* ServerProbe
    const file = yield* TrialFile
    const before = yield* Effect.result(probe.connect)
    if (before._tag === "Failure") return undefined
    const context = yield* Effect.context<Read | Write>()
    const restorers: Array<Restorer> = []
    for (const { checkpoint, kind } of kinds) {
      if (checkpoint === undefined) continue
      // A kind that cannot be read changes nothing either.
      const restore = yield* checkpoint(input).pipe(Effect.orElseSucceed(() => undefined))
      if (restore !== undefined) restorers.push({ kind, restore: Effect.provide(restore, context) })
    }
    yield* file.write(input.config)
    return { judge: Effect.ensuring(judge(probe, restorers), file.clear) } satisfies NetworkTrial
  }
)

const judge = (
  probe: ServerProbe["Service"],
  restorers: ReadonlyArray<Restorer>
): Effect.Effect<RolledBack | undefined> =>
  Effect.gen(function*() {
    const after = yield* Effect.result(probe.persist)
    if (after._tag === "Success") return undefined
    const left: Array<string> = []
    // In the kinds' order: an address that goes takes routes along, which routing then puts back.
    for (const { kind, restore } of restorers) {
      const outcome = yield* restore
      if (!outcome.done) left.push(`${kind}: ${outcome.message}`)
    }
    return { why: after.failure.message, left }
  })

/** What is said of a change that was taken back. */
export const takenBack = (change: ChangeView, { left, why }: RolledBack): string =>
  `${change.action}d and taken back, for it cut this node off from its server (${why})` +
  (left.length === 0 ? "" : `; not everything could be put back: ${left.join("; ")}`)
