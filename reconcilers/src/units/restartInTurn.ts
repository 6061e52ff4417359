import type { RelayName } from "@patela/domain/relay/RelayName"
import { Clock, Duration, Effect, Schedule } from "effect"
import { SignOfLife } from "../host/SignOfLife.ts"
import { BootstrapReader } from "./BootstrapReader.ts"

/** What a relay may take to be bootstrapped again. One that knows the network does in seconds. */
const BACK = Duration.seconds(60)
/** What all of one pass together may wait for that: a network that is gone must not keep a node from its configuration. */
const BACK_IN_ALL = Duration.minutes(5)
const LOOK = Duration.seconds(1)

const untilBack = Effect.fnUntraced(function*(relay: RelayName, atMost: Duration.Duration) {
  const { isBootstrapped } = yield* BootstrapReader
  const began = yield* Clock.monotonicTimeNanos
  yield* isBootstrapped(relay).pipe(
    Effect.repeat({ schedule: Schedule.spaced(LOOK), until: (back) => back }),
    Effect.timeoutOption(Duration.min(BACK, atMost))
  )
  return Duration.nanos((yield* Clock.monotonicTimeNanos) - began)
})

/**
 * Does `restart` for each, one after the other, so that a node's relays are never all away at one moment: the next goes
 * only when the one before is bootstrapped again, for at most a minute and five minutes in all. Nobody waits for a relay
 * that was not bootstrapped before either, nor after the last. `restart` says whether it went well.
 */
export const restartInTurn = Effect.fn("units.restartInTurn")(function*<A extends { readonly name: RelayName }, E, R>(
  relays: ReadonlyArray<A>,
  restart: (relay: A) => Effect.Effect<boolean, E, R>
) {
  const { isBootstrapped } = yield* BootstrapReader
  const alive = yield* SignOfLife
  let left = BACK_IN_ALL
  for (const [at, relay] of relays.entries()) {
    yield* alive
    const counts = at < relays.length - 1 && Duration.isGreaterThan(left, Duration.zero) &&
      (yield* isBootstrapped(relay.name))
    const well = yield* restart(relay)
    if (counts && well) left = Duration.subtract(left, yield* untilBack(relay.name, left))
  }
})
