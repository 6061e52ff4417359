import { Clock, Effect, Queue, Ref } from "effect"

/** What is to be looked at next. */
export interface Dirty {
  readonly kinds: ReadonlySet<string>
  readonly full: boolean
}

/** Nothing is to be looked at. */
export const isClean = ({ full, kinds }: Dirty): boolean => !full && kinds.size === 0

/** When each kind was last asked for; nanoseconds of the monotonic clock, for the time of day may be set meanwhile. */
interface Asked {
  readonly kinds: ReadonlyMap<string, bigint>
  readonly full: boolean
}

const NOTHING: Asked = { kinds: new Map(), full: false }

/** What fibers that listen ask of the one that looks. Requests that come together are one look. */
export interface Wanted {
  readonly look: (kinds: Iterable<string>) => Effect.Effect<void>
  readonly full: Effect.Effect<void>
  /** Waits until something is wanted; it stays wanted until it is taken. */
  readonly some: Effect.Effect<void>
  /** All that was asked for since it was last taken. */
  readonly take: Effect.Effect<Dirty>
  /**
   * These kinds were looked at since a time, in nanoseconds of the monotonic clock: who asked for one before that has the
   * answer. What the agent does itself is told as events too, and mostly before it has looked at what it did.
   */
  readonly answered: (lookedAt: ReadonlyMap<string, bigint>) => Effect.Effect<void>
}

export const makeWanted: Effect.Effect<Wanted> = Effect.gen(function*() {
  const asked = yield* Ref.make(NOTHING)
  const wake = yield* Queue.sliding<void>(1)
  const mark = (change: (before: Asked, now: bigint) => Asked) =>
    Effect.flatMap(Clock.monotonicTimeNanos, (now) => Ref.update(asked, (before) => change(before, now))).pipe(
      Effect.andThen(Queue.offer(wake, undefined)),
      Effect.asVoid
    )
  return {
    look: (kinds) =>
      mark((before, now) => ({
        ...before,
        kinds: new Map([...before.kinds, ...[...kinds].map((kind) => [kind, now] as const)])
      })),
    full: mark((before) => ({ ...before, full: true })),
    some: Queue.take(wake),
    // Cleared first: what is asked for between the two wakes the one that looks once more, for nothing.
    take: Effect.andThen(Queue.clear(wake), Ref.getAndSet(asked, NOTHING)).pipe(
      Effect.map(({ full, kinds }) => ({ full, kinds: new Set(kinds.keys()) }))
    ),
    answered: (lookedAt) =>
      Ref.update(asked, (before) => ({
        ...before,
        kinds: new Map([...before.kinds].filter(([kind, at]) => at >= (lookedAt.get(kind) ?? 0n)))
      }))
  }
})
