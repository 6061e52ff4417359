import { type Context, Effect, Layer } from "effect"

/** Counts the writes to a host, and can have the agent die in the place of one of them. */
export class Lifetime {
  writes = 0
  #left = Number.POSITIVE_INFINITY

  /** The agent dies when it is about to make its write number `writes`, counted from 0 and from now. */
  killAfter(writes: number): void {
    this.#left = writes
  }

  /** What makes the write, or the agent's death in its place. */
  spend<A, E, R>(write: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.suspend(() => {
      if (this.#left-- <= 0) return Effect.die("killed")
      this.writes++
      return write
    })
  }
}

/** The service with every call of it, and every effect that it holds, counted as one write. */
export const mortal = <Identifier, Shape extends object, E, R>(
  service: Context.Key<Identifier, Shape>,
  lifetime: Lifetime,
  layer: Layer.Layer<Identifier, E, R>
): Layer.Layer<Identifier, E, R> => watched(service, layer, (_, call) => lifetime.spend(call))

/** The service with every call of it, and every effect that it holds, seen with its arguments before it is made. */
export const watched = <Identifier, Shape extends object, E, R>(
  service: Context.Key<Identifier, Shape>,
  layer: Layer.Layer<Identifier, E, R>,
  around: <A, F>(args: ReadonlyArray<unknown>, call: Effect.Effect<A, F>) => Effect.Effect<A, F>
): Layer.Layer<Identifier, E, R> =>
  Layer.effect(
    service,
    Effect.map(Effect.service(service), (real) =>
      new Proxy(real, {
        get: (target, name) => {
          const member: unknown = Reflect.get(target, name)
          if (isCall(member)) return around([], member)
          if (typeof member !== "function") return member
          return (...args: ReadonlyArray<unknown>) => {
            const result: unknown = Reflect.apply(member, target, args)
            return isCall(result) ? around(args, result) : result
          }
        }
      }))
  ).pipe(Layer.provide(layer))

/** The methods of a service ask for nothing more: its layer had it. */
const isCall = (value: unknown): value is Effect.Effect<unknown, unknown> => Effect.isEffect(value)
