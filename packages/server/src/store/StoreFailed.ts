import { Effect, Schema } from "effect"
import { SqlError } from "effect/sql"

/** The database refused, or holds a row that this version cannot read. Nothing of the step it was in is kept. */
export class StoreFailed extends Schema.TaggedError<StoreFailed>()("StoreFailed", { message: Schema.String }) {}

type DatabaseError = SqlError.SqlError | Schema.SchemaError | StoreFailed

const ADVICE = "Check that DATABASE_URL names the right database and that its folder is writable and not full."

const reasonOf = (error: SqlError.SqlError | Schema.SchemaError): string =>
  error._tag === "SqlError"
    ? `${error.reason._tag}: ${error.reason.message}`
    : `a row does not look as expected: ${error.message}`

/** Names the step that failed; every repository method ends with it, so that callers see one error. */
export const asStoreFailed = (step: string) =>
  Effect.mapError((error: DatabaseError): StoreFailed =>
    error._tag === "StoreFailed"
      ? error
      : new StoreFailed({ message: `The database could not ${step}. ${reasonOf(error)}. ${ADVICE}` })
  )

/** The same for a step that also fails for reasons of its own, which stay as they are. */
export const sqlAsStoreFailed =
  (step: string) => <A, E, R>(self: Effect.Effect<A, E | SqlError.SqlError, R>): Effect.Effect<A, E | StoreFailed, R> =>
    Effect.catchIf(self, SqlError.isSqlError, (error) => Effect.fail(error).pipe(asStoreFailed(step)))
