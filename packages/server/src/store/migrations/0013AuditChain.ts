import { Effect, Schema } from "effect"
import { SqlClient, SqlSchema } from "effect/sql"
import { entryDigest, NO_DIGEST } from "../../audit/entryDigest.ts"
import { Whole } from "../Column.ts"

/** An entry as it was before it had a digest; a copy, so that this goes on working when the entry becomes another. */
const Unchained = Schema.Struct({
  id: Whole,
  happened_at: Schema.String,
  who: Schema.String,
  what: Schema.String,
  value_before: Schema.NullOr(Schema.String),
  value_after: Schema.NullOr(Schema.String)
})

const REFUSAL = "the audit log is only added to"

/** Neither database lets an entry be changed or removed. Who owns the database can take this away; the chain then tells. */
const refuseChanges = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* sql.onDialectOrElse({
    pg: () =>
      Effect.gen(function*() {
        yield* sql.unsafe(
          `CREATE FUNCTION audit_only_added() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION '${REFUSAL}'; END $$`
        )
        // One for each row, so that a statement that meets none is let through; TRUNCATE has no rows.
        for (
          const [name, when, each] of [["changed", "UPDATE OR DELETE", "ROW"], ["emptied", "TRUNCATE", "STATEMENT"]]
        ) {
          yield* sql.unsafe(
            `CREATE TRIGGER audit_not_${name} BEFORE ${when} ON audit
              FOR EACH ${each} EXECUTE FUNCTION audit_only_added()`
          )
        }
      }),
    orElse: () =>
      Effect.forEach(["UPDATE", "DELETE"], (change) =>
        sql.unsafe(
          `CREATE TRIGGER audit_no_${change.toLowerCase()} BEFORE ${change} ON audit
            BEGIN SELECT RAISE(ABORT, '${REFUSAL}'); END`
        ), { discard: true })
  })
})

/**
 * The audit log as a chain: each entry has a digest over itself and the one before. `audit_head` is the number and digest
 * of the newest, so that a log whose end was cut off is seen. What was written before is chained as it is.
 */
export const chainAudit = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* sql`ALTER TABLE audit ADD COLUMN digest TEXT NOT NULL DEFAULT ''`
  yield* sql`CREATE TABLE audit_head (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    last_id BIGINT NOT NULL,
    digest TEXT NOT NULL
  )`
  const entries = yield* SqlSchema.findAll({
    Request: Schema.Void,
    Result: Unchained,
    execute: () => sql`SELECT id, happened_at, who, what, value_before, value_after FROM audit ORDER BY id`
  })()
  let digest = NO_DIGEST
  for (const entry of entries) {
    digest = entryDigest(digest, entry)
    yield* sql`UPDATE audit SET digest = ${digest} WHERE id = ${entry.id}`
  }
  yield* sql`INSERT INTO audit_head ${sql.insert({ id: 1, last_id: entries.at(-1)?.id ?? 0, digest })}`
  yield* refuseChanges
})
