import type { Kind } from "@patela/domain/reconciler/Kind"
import { Clock, Effect, Metric, Stream } from "effect"
import { watchOverflows } from "../metrics/AgentMetrics.ts"
import type { Wanted } from "./Wanted.ts"

/** Milliseconds between two tries of a watcher that died: at first, doubled each time, and at most. */
const REOPEN = 1000
const REOPEN_AT_MOST = 60_000

/**
 * Every kind's own events. One says where to look. Lost events mean a full look, and so does a watcher that died and is
 * opened again, for nobody knows what it did not see. Runs for good.
 */
export const listen = <Read, Write>(
  kinds: ReadonlyArray<Kind<Read, Write>>,
  wanted: Wanted
): Effect.Effect<void, never, Read> =>
  Effect.forEach(kinds, (kind) => listenTo(kind, wanted), { concurrency: "unbounded", discard: true })

const listenTo = Effect.fnUntraced(function*<Read, Write>({ kind, watch }: Kind<Read, Write>, wanted: Wanted) {
  const hear = Stream.runForEach(watch, (signal) =>
    signal === "look again"
      ? wanted.look([kind])
      : Effect.andThen(Metric.update(watchOverflows(kind), 1), wanted.full))
  let wait = REOPEN
  let said = ""
  while (true) {
    const began = yield* Clock.currentTimeMillis
    const ended = yield* Effect.result(hear)
    if ((yield* Clock.currentTimeMillis) - began > REOPEN_AT_MOST) {
      wait = REOPEN
      said = ""
    }
    if (ended._tag === "Failure" && ended.failure.message !== said) {
      said = ended.failure.message
      yield* Effect.logWarning(`${kind} is not watched for a moment: ${said}`)
    }
    yield* wanted.full
    yield* Effect.sleep(wait)
    wait = Math.min(wait * 2, REOPEN_AT_MOST)
  }
})
