import { Effect, Semaphore } from "effect"
import { SqlClient, type SqlError } from "effect/sql"

/** What one transaction does at a time, of all servers at a database: the number of its lock there. */
const LOCKS = { allocation: 1, "waiting list": 2, torrc: 3 } as const

/** The first number of each of Patela's locks (PostgreSQL manual, 9.27.10): other programs may have their own. */
const SPACE = 8020

/** The turn of a transaction that decides by what it read: nobody else who takes the same turn changes that meanwhile. */
export interface Turn {
  /** First in the transaction, before it reads: waits for those before it, and ends with the transaction. */
  readonly take: Effect.Effect<void, SqlError.SqlError>
  /**
   * Around the transaction: those of one server wait here, so that a crowd holds one of the server's connections and not
   * all of them.
   */
  readonly queue: <A, E, R>(transaction: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

/** SQLite lets one writer in anyway, from the beginning of its transaction (BEGIN IMMEDIATE). */
export const makeTurn = Effect.fnUntraced(function*(of: keyof typeof LOCKS) {
  const sql = yield* SqlClient.SqlClient
  const queue = yield* Semaphore.make(1)
  const turn: Turn = {
    take: sql.onDialectOrElse({
      pg: () => Effect.asVoid(sql`SELECT pg_advisory_xact_lock(${SPACE}, ${LOCKS[of]})`),
      orElse: () => Effect.void
    }),
    // On SQLite they wait for its one writer; waiting here for a commit, they could not share it.
    queue: (transaction) => sql.onDialectOrElse({ pg: () => queue.withPermit(transaction), orElse: () => transaction })
  }
  return turn
})
