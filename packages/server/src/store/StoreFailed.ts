import { Effect, Schema } from "effect"
import { SqlError } from "effect/sql"
import { sqlMessage } from "./sqlMessage.ts"

/** The database refused, or holds a row that this version cannot read. Nothing of the step it was in is kept. */
export class StoreFailed extends Schema.TaggedError<StoreFailed>()("StoreFailed", {
  message: Schema.String,
  /** Another transaction came first: the same step may succeed when it is done again. */
  overtaken: Schema.optionalKey(Schema.Boolean),
  /** Whatever else is asked of the database fails too: it cannot be reached, or what is needed is locked. */
  ofAll: Schema.optionalKey(Schema.Boolean)
}) {}

type DatabaseError = SqlError.SqlError | Schema.SchemaError | StoreFailed

const ADVICE =
  "Check that DATABASE_URL names the right database, that it can be reached, and that its disk is not full."

const reasonOf = (error: SqlError.SqlError | Schema.SchemaError): string =>
  error._tag === "SqlError"
    ? `${error.reason._tag}: ${sqlMessage(error)}`
    : `a row does not look as expected: ${error.message}`

/**
 * What PostgreSQL answers to the slower of two transactions: a deadlock, a conflict of isolation, or a key that was free
 * when it looked and is not any more.
 */
const OVERTAKEN: ReadonlySet<SqlError.SqlErrorReason["_tag"]> = new Set([
  "DeadlockError",
  "SerializationError",
  "UniqueViolation"
])

/** Whether a transaction that failed with this may succeed when it is run again. */
export const isOvertaken = (error: unknown): boolean =>
  error instanceof StoreFailed
    ? error.overtaken === true
    : SqlError.isSqlError(error) && OVERTAKEN.has(error.reason._tag)

const OF_ALL: ReadonlySet<SqlError.SqlErrorReason["_tag"]> = new Set([
  "ConnectionError",
  "AuthenticationError",
  "AuthorizationError",
  "LockTimeoutError"
])

/** Whether other transactions would fail with this as well, now. */
export const isOfAll = (error: unknown): boolean =>
  error instanceof StoreFailed
    ? error.ofAll === true
    : SqlError.isSqlError(error) && OF_ALL.has(error.reason._tag)

/** Names the step that failed; every repository method ends with it, so that callers see one error. */
export const asStoreFailed = (step: string) =>
  Effect.mapError((error: DatabaseError): StoreFailed =>
    error._tag === "StoreFailed"
      ? error
      : new StoreFailed({
        message: `The database could not ${step}. ${reasonOf(error)}. ${ADVICE}`,
        ...isOvertaken(error) ? { overtaken: true } : {},
        ...isOfAll(error) ? { ofAll: true } : {}
      })
  )

/** The same for a step that also fails for reasons of its own, which stay as they are. */
export const sqlAsStoreFailed =
  (step: string) => <A, E, R>(self: Effect.Effect<A, E | SqlError.SqlError, R>): Effect.Effect<A, E | StoreFailed, R> =>
    Effect.catchIf(self, SqlError.isSqlError, (error) => Effect.fail(error).pipe(asStoreFailed(step)))
