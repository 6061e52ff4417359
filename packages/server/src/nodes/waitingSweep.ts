import { Duration, Effect, Schedule } from "effect"
import { Nodes } from "./Nodes.ts"
import { WaitingBound } from "./WaitingBound.ts"

const EVERY = Duration.hours(1)

/** Drops machines that waited too long, at once and each hour, also where no new one comes to need their room. */
export const waitingSweep = Effect.gen(function*() {
  const nodes = yield* Nodes
  const bound = yield* WaitingBound
  const sweep = nodes.dropExpired(bound).pipe(
    Effect.tap((dropped) =>
      dropped === 0
        ? Effect.void
        : Effect.logInfo(`${dropped} machines were dropped that waited for ${bound.days} days and no longer ask`)
    ),
    Effect.catch(({ message }) => Effect.logError(message))
  )
  yield* Effect.forkScoped(Effect.repeat(sweep, Schedule.spaced(EVERY)))
})
