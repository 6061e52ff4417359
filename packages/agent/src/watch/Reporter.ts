import { Duration, Effect, Queue, Ref, Schedule } from "effect"
import { report, type Standing } from "../pass/Report.ts"
import { makeSayOnce } from "./SayOnce.ts"

/** Between two tries of a report that the server did not take, doubled up to a minute. */
const AGAIN = Duration.seconds(3)
const AGAIN_AT_MOST = Duration.seconds(60)

/** Takes what there is to tell the server. */
export interface Reporter {
  readonly tell: (standing: Standing) => Effect.Effect<void>
}

/**
 * Reports beside the passes, so that a server that is away holds nothing up: the newest standing is tried until it is
 * taken or there is a newer one. That the server does not take it is said once.
 */
export const makeReporter = Effect.gen(function*() {
  const newest = yield* Queue.sliding<Standing>(1)
  const unsaid = yield* Ref.make(false)
  const { say } = yield* makeSayOnce((line) => Effect.logWarning(line), "the server takes reports again")

  const deliver = (standing: Standing) =>
    report(standing).pipe(
      Effect.tapError(({ message }) => say([`the server did not get our report: ${message}`])),
      Effect.retry(Schedule.min([Schedule.exponential(AGAIN), Schedule.spaced(AGAIN_AT_MOST)])),
      Effect.ignore,
      Effect.andThen(say([])),
      Effect.andThen(Ref.set(unsaid, false))
    )

  const sending = Effect.gen(function*() {
    let standing = yield* Queue.take(newest)
    while (true) {
      const newer = yield* Effect.raceFirst(Effect.as(deliver(standing), undefined), Queue.take(newest))
      if (newer === undefined) break
      standing = newer
    }
  }).pipe(Effect.forever)

  yield* Effect.forkScoped(sending)
  const tell: Reporter["tell"] = Effect.fnUntraced(function*(standing) {
    // A change that was not reported yet is still to be reported with the next standing.
    const changed = yield* Ref.updateAndGet(unsaid, (before) => before || standing.changed)
    yield* Queue.offer(newest, { ...standing, changed })
  })
  return { tell } satisfies Reporter
})
