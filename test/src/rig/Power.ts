import { Clock, Effect, Exit, Option, Ref, Scope } from "effect"

/** The power of a machine or of a part of one. `A` is what it is spoken to by while it has power. */
export interface Power<A, E> {
  /** Gives it power, for as long as this scope or until it is cut. Nothing happens when it has. Returns milliseconds. */
  readonly on: Effect.Effect<number, E>
  /** Cuts it: whatever was started with it ends. */
  readonly off: Effect.Effect<void>
  /** None while it has no power, or is not far enough to be spoken to. */
  readonly now: Effect.Effect<Option.Option<A>>
}

export const Power = {
  /** `start` says by `isUp` when there is something to speak to, and ends when it counts as started. */
  make: Effect.fnUntraced(function*<A, E>(
    start: (isUp: (up: A) => Effect.Effect<void>) => Effect.Effect<void, E, Scope.Scope>
  ) {
    const scope = yield* Effect.scope
    const state = yield* Ref.make(Option.none<{ readonly up: A; readonly scope: Scope.Closeable }>())

    const on = Effect.gen(function*() {
      if (Option.isSome(yield* Ref.get(state))) return 0
      const began = yield* Clock.currentTimeMillis
      const own = yield* Scope.fork(scope)
      yield* start((up) => Ref.set(state, Option.some({ up, scope: own }))).pipe(
        Scope.provide(own),
        Effect.onError((cause) =>
          Ref.set(state, Option.none()).pipe(Effect.andThen(Scope.close(own, Exit.failCause(cause))))
        )
      )
      return (yield* Clock.currentTimeMillis) - began
    })

    const off = Ref.getAndSet(state, Option.none()).pipe(
      Effect.flatMap(Option.match({
        onNone: () => Effect.void,
        onSome: ({ scope: own }) => Scope.close(own, Exit.void)
      }))
    )

    const power: Power<A, E> = { on, off, now: Effect.map(Ref.get(state), Option.map(({ up }) => up)) }
    return power
  })
}
