import type { NodeId } from "@patela/domain/node/NodeId"
import { Clock, Duration, Effect, Option, Schema } from "effect"
import { Rollout, RolloutRefused } from "./Rollout.ts"

/** A released node failed, or has not come so far in time. All that were not released stay held. */
export class RolloutStopped extends Schema.TaggedError<RolloutStopped>()("RolloutStopped", {
  node: Schema.Int,
  message: Schema.String
}) {}

/** How often is looked how the released nodes stand. */
const LOOK = Duration.millis(500)

/** Waits until all that were released are good. Fails with the first that is not, or with one that is late. */
const allGood = Effect.fnUntraced(function*(within: Duration.Duration) {
  const rollout = yield* Rollout
  const deadline = (yield* Clock.currentTimeMillis) + Duration.toMillis(within)
  while (true) {
    const standing = Option.getOrUndefined(yield* rollout.standing)
    if (standing === undefined) return yield* RolloutRefused.none
    const bad = standing.released.flatMap(({ node, verdict }) =>
      verdict.verdict === "failed" ? [{ node, ...verdict }] : []
    )
    const open = standing.released.flatMap(({ node, verdict }) =>
      verdict.verdict === "waiting" ? [{ node, ...verdict }] : []
    )
    if (bad.length === 0 && open.length === 0) return standing
    const [first] = bad.length > 0 ? bad : (yield* Clock.currentTimeMillis) >= deadline ? open : []
    if (first !== undefined) {
      return yield* new RolloutStopped({
        node: first.node,
        message:
          `The rollout stops at node ${first.node}: ${first.why}. ${standing.held.length} nodes are still held. ` +
          "Put it right (the released nodes hear of a change at once) and run this again; or: patela rollout end"
      })
    }
    yield* Effect.sleep(LOOK)
  }
})

/** Of the wall clock, for the release may have been by another process; one that was set back meanwhile makes it 0. */
const since = (millis: number): Effect.Effect<Duration.Duration> =>
  Effect.map(Clock.currentTimeMillis, (now) => Duration.millis(Math.max(0, now - millis)))

/**
 * Releases `nodes` at a time until none is held, and ends the rollout. Between two releases are `pause` at least, also
 * where another run of it made the first, and all that were released are good before the second and after the pause.
 */
export const runRollout = Effect.fn("runRollout")(function*<R>(input: {
  readonly who: string
  readonly nodes: number
  readonly within: Duration.Duration
  readonly pause: Duration.Duration
  /** Is told of each release, and of each pause that is begun. */
  readonly tell: (
    step: { readonly released: ReadonlyArray<NodeId> } | { readonly pausing: Duration.Duration; readonly held: number }
  ) => Effect.Effect<void, never, R>
}) {
  const rollout = yield* Rollout
  while (true) {
    const { held, released_at } = yield* allGood(input.within)
    if (held.length === 0) break
    const passed = released_at === null ? Duration.infinity : yield* since(released_at)
    const left = Duration.subtract(input.pause, passed)
    if (Duration.isGreaterThan(left, Duration.zero)) {
      yield* input.tell({ pausing: left, held: held.length })
      yield* Effect.sleep(left)
      continue
    }
    yield* input.tell({ released: yield* rollout.release(input.who, input.nodes) })
  }
  yield* rollout.end(input.who)
})
