import { Context, Deferred, Effect, Layer, RcRef, Ref, Schema, type Scope, Stream } from "effect"
import { SqlClient, type SqlError, SqlSchema } from "effect/sql"
import { Whole } from "../store/Column.ts"
import { Notices } from "../store/Notices.ts"
import { asStoreFailed, type StoreFailed } from "../store/StoreFailed.ts"
import { ConfigChange } from "./ConfigChange.ts"

/** Waits until the generation is above `seen` and gives it, the newest only: who asks rarely misses those between. */
export type NextAbove = (seen: number) => Effect.Effect<number>

/** The count of configuration changes. It is in the database, so that all processes count as one; it never decreases. */
export class Generation extends Context.Service<Generation, {
  readonly current: Effect.Effect<number, StoreFailed>
  /**
   * Runs a step in one transaction, with the right to change what nodes are told. Where it used that, the generation is
   * one higher with it. Not for use inside of another transaction: those who listen are told when this one has ended.
   */
  readonly change: <A, E, R>(
    step: Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E | SqlError.SqlError | StoreFailed, Exclude<R, ConfigChange>>
  /**
   * The same for what only the node that asks is told, which reads it next: nobody else need hear of it, so it is not
   * counted.
   */
  readonly changeForAsker: <A, E, R>(
    step: Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E | SqlError.SqlError, Exclude<R, ConfigChange>>
  /** Listens while the scope is open: to this process at once, to others as soon as the database tells of them. */
  readonly listen: Effect.Effect<NextAbove, StoreFailed, Scope.Scope>
}>()("@patela/server/generation/Generation") {
  static readonly layer = Layer.effect(
    Generation,
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const notices = yield* Notices
      const read = SqlSchema.findOne({
        Request: Schema.Void,
        Result: Schema.Struct({ value: Whole }),
        execute: () => sql`SELECT value FROM generation`
      })
      const current = read().pipe(
        // The migration put the row there, and nothing deletes it.
        Effect.catchTag("NoSuchElementError", Effect.die),
        Effect.map(({ value }) => value),
        asStoreFailed("read the generation of the configuration")
      )

      const known = yield* Ref.make({ value: 0, passed: Deferred.makeUnsafe<void>() })
      const tell = Effect.fnUntraced(function*(value: number) {
        const before = yield* Ref.modify(
          known,
          (now) => value > now.value ? [now, { value, passed: Deferred.makeUnsafe<void>() }] : [undefined, now]
        )
        if (before !== undefined) yield* Deferred.succeed(before.passed, undefined)
      })

      const change = Effect.fnUntraced(function*<A, E, R>(step: Effect.Effect<A, E, R>) {
        const [result, raised] = yield* sql.withTransaction(Effect.gen(function*() {
          const counted = yield* Ref.make(false)
          const done = yield* Effect.provideService(step, ConfigChange, { counted: Ref.set(counted, true) })
          if (!(yield* Ref.get(counted))) return [done, undefined] as const
          // Last, so that PostgreSQL holds the row for a moment only. It is held to the commit: generations are committed
          // in their order.
          yield* sql`UPDATE generation SET value = value + 1`
          yield* notices.tell
          return [done, yield* current] as const
        }))
        if (raised !== undefined) yield* tell(raised)
        return result
      })

      const changeForAsker = <A, E, R>(step: Effect.Effect<A, E, R>) =>
        sql.withTransaction(Effect.provideService(step, ConfigChange, { counted: Effect.void }))

      const look = Effect.flatMap(current, tell)
      const follow = Effect.gen(function*() {
        const well = yield* Ref.make(true)
        const once = look.pipe(
          Effect.andThen(Ref.set(well, true)),
          // Said once, and not four times a second.
          Effect.catch(({ message }) =>
            Effect.flatMap(
              Ref.getAndSet(well, false),
              (was) => was ? Effect.logError(`changes by other processes are not seen: ${message}`) : Effect.void
            )
          )
        )
        yield* Stream.runForEach(notices.heard, () => once)
      })
      const follower = yield* RcRef.make({ acquire: Effect.forkScoped(follow) })

      const nextAbove: NextAbove = (seen) =>
        Effect.flatMap(
          Ref.get(known),
          ({ value, passed }) =>
            value > seen ? Effect.succeed(value) : Effect.andThen(Deferred.await(passed), nextAbove(seen))
        )

      return Generation.of({
        current,
        change,
        changeForAsker,
        listen: RcRef.get(follower).pipe(Effect.andThen(look), Effect.as(nextAbove))
      })
    })
  )
}
