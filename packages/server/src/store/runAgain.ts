import { Cause, Effect, Option } from "effect"
import { type SqlClient, SqlError } from "effect/sql"
import { isOvertaken } from "./StoreFailed.ts"

/** How often a transaction is run again. At once: what came before it has its locks until it is done. */
const TIMES = 5

/**
 * A transaction whose connection broke off cannot be rolled back by saying so, and PostgreSQL does it by itself: that is a
 * failure as any of the database, and no defect of ours. Where the step failed before, with that.
 */
const rolledBack = <A, E, R>(transaction: Effect.Effect<A, E, R>): Effect.Effect<A, E | SqlError.SqlError, R> =>
  Effect.catchCause(transaction, (cause): Effect.Effect<never, E | SqlError.SqlError> => {
    const broken = cause.reasons.filter(Cause.isDieReason).map(({ defect }) => defect).find(SqlError.isSqlError)
    const failures = cause.reasons.filter(Cause.isFailReason)
    if (broken === undefined || cause.reasons.some(Cause.isInterruptReason)) return Effect.failCause(cause)
    return failures.length > 0 ? Effect.failCause(Cause.fromReasons(failures)) : Effect.fail(broken)
  })

/**
 * `withTransaction` that runs a transaction again where another one came first. Steps only read and write the database,
 * which forgot the first attempt, so nothing is done twice. A transaction within another is broken off with it, and only
 * the outermost is run again. `first` is done at the beginning of each of those.
 */
export const runAgain = (
  client: SqlClient.SqlClient,
  first: Effect.Effect<unknown, SqlError.SqlError> = Effect.void
): SqlClient.SqlClient["withTransaction"] => {
  const once = client.withTransaction
  return (step) =>
    Effect.flatMap(
      Effect.serviceOption(client.transactionService),
      (outer) =>
        Option.isSome(outer)
          ? once(step)
          : Effect.retry(rolledBack(once(Effect.andThen(first, step))), { while: isOvertaken, times: TIMES })
    )
}
