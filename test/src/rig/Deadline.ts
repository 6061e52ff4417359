import { Clock, Duration, Effect, Option, Schema } from "effect"

/** What was waited for did not come to be in time. `lastSeen` is what the last look found instead. */
export class DeadlinePassed extends Schema.TaggedError<DeadlinePassed>()("DeadlinePassed", {
  what: Schema.String,
  within: Schema.String,
  lastSeen: Schema.String
}) {
  override get message() {
    return `Waited ${this.within} for ${this.what}, in vain. Last seen: ${this.lastSeen}`
  }
}

/** One look at the world: what was waited for, or a line about what is there instead. */
export type Look<A> = { readonly found: A } | { readonly instead: string }

export const found = <A>(value: A): Look<A> => ({ found: value })
export const instead = (seen: string): Look<never> => ({ instead: seen })

export interface DeadlineOptions {
  readonly within?: Duration.Input
  readonly every?: Duration.Input
}

/** Looks again and again until the look finds it or the deadline (30 s unless told) passes. Needs the live clock. */
export const waitFor = Effect.fnUntraced(function*<A, E, R>(
  what: string,
  look: Effect.Effect<Look<A>, E, R>,
  options: DeadlineOptions = {}
) {
  const within = Duration.fromInputUnsafe(options.within ?? "30 seconds")
  const every = Duration.fromInputUnsafe(options.every ?? "20 millis")
  const deadline = (yield* Clock.currentTimeMillis) + Duration.toMillis(within)
  while (true) {
    const seen = yield* look
    if ("found" in seen) return seen.found
    if ((yield* Clock.currentTimeMillis) >= deadline) {
      return yield* new DeadlinePassed({ what, within: Duration.format(within), lastSeen: seen.instead })
    }
    yield* Effect.sleep(every)
  }
})

/** A look that finds something when the option holds it. */
export const ifSome = <A>(option: Option.Option<A>, otherwise: string): Look<A> =>
  Option.match(option, { onNone: () => instead(otherwise), onSome: found })
