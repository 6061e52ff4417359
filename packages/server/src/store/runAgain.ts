import { Effect, Option } from "effect"
import type { SqlClient } from "effect/sql"
import { isOvertaken } from "./StoreFailed.ts"

/** How often a transaction is run again. At once: what came before it has its locks until it is done. */
const TIMES = 5

/**
 * `withTransaction` that runs a transaction again where another one came first. Steps only read and write the database,
 * which forgot the first attempt, so nothing is done twice. A transaction within another is broken off with it, and only
 * the outermost is run again.
 */
export const runAgain = (client: SqlClient.SqlClient): SqlClient.SqlClient["withTransaction"] => {
  const once = client.withTransaction
  return (step) =>
    Effect.flatMap(
      Effect.serviceOption(client.transactionService),
      (outer) =>
        Option.isSome(outer)
          ? once(step)
          : Effect.retry(once(step), { while: isOvertaken, times: TIMES })
    )
}
