import { storable } from "@patela/domain/api/storable"
import { Context, Effect, Layer, Option, Schema } from "effect"
import { SqlClient, SqlSchema } from "effect/sql"
import { now, Whole } from "../store/Column.ts"
import { givenRows } from "../store/givenRows.ts"
import { asStoreFailed, StoreFailed } from "../store/StoreFailed.ts"
import { entryDigest } from "./entryDigest.ts"

/**
 * One change: who did what and when (UTC, ISO 8601), and the value before and after it as text or JSON. Numbers go up by
 * one; `digest` is over the entry and the digest before it, as `entryDigest` has it.
 */
export const AuditEntry = Schema.Struct({
  id: Whole,
  happened_at: Schema.String,
  who: Schema.String,
  what: Schema.String,
  value_before: Schema.NullOr(Schema.String),
  value_after: Schema.NullOr(Schema.String),
  digest: Schema.String
})
export type AuditEntry = typeof AuditEntry.Type

export interface AuditedChange {
  /** A login name for people, `node N` for a machine, `server` for the server itself. */
  readonly who: string
  readonly what: string
  readonly before: string | null
  readonly after: string | null
}

/** Which entries are asked for: of one actor, with a text in what was done (case does not matter), since a time (UTC). */
export interface AuditFilter {
  readonly who?: string
  readonly what?: string
  readonly since?: string
}

const HEADLESS =
  "The audit log does not say where it ends: somebody emptied the table audit_head. Nothing is changed without " +
  "an entry. See what is wrong with `patela audit verify`, and put a backup back with `patela restore FILE`"

const storableOrNull = (text: string | null): string | null => text === null ? null : storable(text)

/** A text for LIKE in which `%` and `_` are themselves; the escape is `!`, for a backslash is PostgreSQL's own. */
const containing = (text: string): string => `%${text.toLowerCase().replaceAll(/[!%_]/g, "!$&")}%`

/** The log of every change. Entries are only added, each chained to the one before it. */
export class Audit extends Context.Service<Audit, {
  /**
   * Adds an entry. It belongs in the transaction of the change, and there after everything else: the chain is one writer's
   * from then until the commit, so whoever took it first and another row second could wait for one who does it the other
   * way.
   */
  readonly record: (change: AuditedChange) => Effect.Effect<void, StoreFailed>
  /** The same for several, in their order: what is written by then waits for them once. */
  readonly recordAll: (changes: ReadonlyArray<AuditedChange>) => Effect.Effect<void, StoreFailed>
  /** The newest entries, newest first. */
  readonly newest: (limit: number, filter?: AuditFilter) => Effect.Effect<ReadonlyArray<AuditEntry>, StoreFailed>
}>()("@patela/server/audit/Audit") {
  static readonly layer = Layer.effect(
    Audit,
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      // The newest number, and the digest of its entry. On PostgreSQL the row is this transaction's until it ends.
      const counted = SqlSchema.findOne({
        Request: Schema.Int,
        Result: Schema.Struct({ last_id: Whole, digest: Schema.String }),
        execute: (more) => sql`UPDATE audit_head SET last_id = last_id + ${more} WHERE id = 1 RETURNING last_id, digest`
      })
      const entries = givenRows(sql, {
        id: "BIGINT",
        happened_at: "TEXT",
        who: "TEXT",
        what: "TEXT",
        value_before: "TEXT",
        value_after: "TEXT",
        digest: "TEXT"
      })
      const add = Effect.fnUntraced(function*(changes: ReadonlyArray<AuditedChange>) {
        const { last_id, digest: newest } = yield* counted(changes.length)
        const happened_at = yield* now
        let digest = newest
        const rows = changes.map(({ who, what, before, after }, index) => {
          const fields = {
            id: last_id - changes.length + 1 + index,
            happened_at,
            who: storable(who),
            what: storable(what),
            value_before: storableOrNull(before),
            value_after: storableOrNull(after)
          }
          digest = entryDigest(digest, fields)
          return { ...fields, digest }
        })
        yield* sql`INSERT INTO audit (id, happened_at, who, what, value_before, value_after, digest)
          SELECT id, happened_at, who, what, value_before, value_after, digest FROM ${entries(rows)} ORDER BY id`
        yield* sql`UPDATE audit_head SET digest = ${digest} WHERE id = 1`
      }, Effect.catchTag("NoSuchElementError", () => Effect.fail(new StoreFailed({ message: HEADLESS }))))
      const recordAll = Effect.fn("Audit.recordAll")(function*(changes: ReadonlyArray<AuditedChange>) {
        if (changes.length === 0) return
        // A savepoint of its own would only be two statements more: whoever cannot write the log takes all back.
        const within = Option.isSome(yield* Effect.serviceOption(sql.transactionService))
        yield* within ? add(changes) : sql.withTransaction(add(changes))
      }, asStoreFailed("write the audit log"))
      const record = (change: AuditedChange) => recordAll([change])
      const select = SqlSchema.findAll({
        Request: Schema.Struct({
          limit: Schema.Int,
          who: Schema.UndefinedOr(Schema.String),
          what: Schema.UndefinedOr(Schema.String),
          since: Schema.UndefinedOr(Schema.String)
        }),
        Result: AuditEntry,
        execute: ({ limit, who, what, since }) =>
          sql`SELECT * FROM audit WHERE ${
            sql.and([
              ...who === undefined ? [] : [sql`who = ${who}`],
              ...what === undefined ? [] : [sql`LOWER(what) LIKE ${containing(what)} ESCAPE '!'`],
              ...since === undefined ? [] : [sql`happened_at >= ${since}`]
            ])
          } ORDER BY id DESC LIMIT ${limit}`
      })
      const newest = Effect.fn("Audit.newest")((limit: number, { who, what, since }: AuditFilter = {}) =>
        select({ limit, who, what, since }).pipe(asStoreFailed("read the audit log"))
      )
      return Audit.of({ record, recordAll, newest })
    })
  )
}
