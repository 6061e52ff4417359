import type { NodeConfig } from "@patela/domain/node/NodeConfig"
import { Duration, Effect, Metric, Random, Ref, type Stream } from "effect"
import * as Streams from "effect/Stream"
import { generationDesired } from "../metrics/AgentMetrics.ts"
import { Session } from "../session/Session.ts"
import { makeSayOnce } from "./SayOnce.ts"

/** The configuration is asked for at least this often, give or take a tenth: so the server knows that the node lives. */
const EVERY = Duration.seconds(60)

/** Between two tries to open the server's stream of events. */
const REOPEN = Duration.seconds(5)

/**
 * Follows the server's configuration into `latest`, and runs `changed` after each change: at the server's events, and
 * once a minute whatever comes. With the server away the last one stays in force, which is said once. Runs for good.
 */
export const followConfig = Effect.fn("followConfig")(function*<E extends { readonly message: string }>(
  latest: Ref.Ref<NodeConfig>,
  events: Stream.Stream<unknown, E>,
  changed: Effect.Effect<void>
) {
  const session = yield* Session
  const { say } = yield* makeSayOnce((line) => Effect.logWarning(line), "the server answers again")

  const ask = session.config({ total: Duration.zero }).pipe(
    Effect.flatMap((config) =>
      Effect.gen(function*() {
        yield* say([])
        yield* Metric.update(generationDesired, config.generation)
        if ((yield* Ref.getAndSet(latest, config)) !== config) yield* changed
      })
    ),
    Effect.catch(({ message }) => say([`${message}; the last configuration stays in force`]))
  )

  const byTheMinute = Effect.gen(function*() {
    const tenth = yield* Random.nextBetween(-0.1, 0.1)
    yield* Effect.sleep(Duration.times(EVERY, 1 + tenth))
    yield* ask
  }).pipe(Effect.forever)

  // What the stream has to say of a server that is away, asking for the configuration says too.
  const byEvents = Streams.runForEach(events, () => ask).pipe(
    Effect.ignore,
    Effect.andThen(Effect.sleep(REOPEN)),
    Effect.forever
  )
  return yield* Effect.all([byTheMinute, byEvents], { concurrency: "unbounded", discard: true })
})
