import { Effect, Queue, Ref } from "effect"

/** What is to be looked at next. */
export interface Dirty {
  readonly kinds: ReadonlySet<string>
  readonly full: boolean
}

const CLEAN: Dirty = { kinds: new Set(), full: false }

/** What fibers that listen ask of the one that looks. Requests that come together are one look. */
export interface Wanted {
  readonly look: (kinds: Iterable<string>) => Effect.Effect<void>
  readonly full: Effect.Effect<void>
  /** Waits until something is wanted; it stays wanted until it is taken. */
  readonly some: Effect.Effect<void>
  /** All that was asked for since it was last taken. */
  readonly take: Effect.Effect<Dirty>
}

export const makeWanted: Effect.Effect<Wanted> = Effect.gen(function*() {
  const dirty = yield* Ref.make(CLEAN)
  const wake = yield* Queue.sliding<void>(1)
  const mark = (change: (before: Dirty) => Dirty) =>
    Ref.update(dirty, change).pipe(Effect.andThen(Queue.offer(wake, undefined)), Effect.asVoid)
  return {
    look: (kinds) => mark((before) => ({ ...before, kinds: new Set([...before.kinds, ...kinds]) })),
    full: mark((before) => ({ ...before, full: true })),
    some: Queue.take(wake),
    // Cleared first: what is asked for between the two wakes the one that looks once more, for nothing.
    take: Effect.andThen(Queue.clear(wake), Ref.getAndSet(dirty, CLEAN))
  }
})
