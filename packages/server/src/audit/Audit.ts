import { Context, Effect, Layer, Schema } from "effect"
import { SqlClient, SqlSchema } from "effect/sql"
import { now, Whole } from "../store/Column.ts"
import { asStoreFailed, type StoreFailed } from "../store/StoreFailed.ts"

/** One change: who did what and when (UTC, ISO 8601), and the value before and after it as text or JSON. */
export const AuditEntry = Schema.Struct({
  id: Whole,
  happened_at: Schema.String,
  who: Schema.String,
  what: Schema.String,
  value_before: Schema.NullOr(Schema.String),
  value_after: Schema.NullOr(Schema.String)
})
export type AuditEntry = typeof AuditEntry.Type

export interface AuditedChange {
  /** A login name for people, `node N` for a machine, `server` for the server itself. */
  readonly who: string
  readonly what: string
  readonly before: string | null
  readonly after: string | null
}

/** The log of every change. Entries are only added; write them in the transaction of the change itself. */
export class Audit extends Context.Service<Audit, {
  readonly record: (change: AuditedChange) => Effect.Effect<void, StoreFailed>
  /** The newest entries, newest first. */
  readonly newest: (limit: number) => Effect.Effect<ReadonlyArray<AuditEntry>, StoreFailed>
}>()("@patela/server/audit/Audit") {
  static readonly layer = Layer.effect(
    Audit,
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const record = Effect.fn("Audit.record")(function*({ who, what, before, after }: AuditedChange) {
        const happened_at = yield* now
        yield* sql`INSERT INTO audit ${
          sql.insert({ happened_at, who, what, value_before: before, value_after: after })
        }`.pipe(asStoreFailed("write the audit log"))
      })
      const select = SqlSchema.findAll({
        Request: Schema.Int,
        Result: AuditEntry,
        execute: (limit) => sql`SELECT * FROM audit ORDER BY id DESC LIMIT ${limit}`
      })
      const newest = Effect.fn("Audit.newest")((limit: number) =>
        select(limit).pipe(asStoreFailed("read the audit log"))
      )
      return Audit.of({ record, newest })
    })
  )
}
