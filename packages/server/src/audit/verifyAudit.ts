import { Effect, Schema } from "effect"
import { SqlClient, SqlSchema } from "effect/sql"
import { Whole } from "../store/Column.ts"
import { asStoreFailed } from "../store/StoreFailed.ts"
import { AuditEntry } from "./Audit.ts"
import { type ChainFault, chainFaults, chainStart, checkEntry, type SeenEntry } from "./ChainCheck.ts"

/** Entries that are read at a time. */
const PAGE = 1000

/** What became of the audit log. `head` is the newest entry, `0` and no digest where there is none. */
export interface AuditVerdict {
  readonly head: SeenEntry
  readonly faults: ReadonlyArray<ChainFault>
}

const Head = Schema.Struct({ last_id: Whole, digest: Schema.String })

/** Nothing but the migration writes that row, and nothing deletes it. */
const headless: AuditVerdict = { head: { id: 0, digest: "" }, faults: [{ kind: "head", from: 0, to: 0 }] }

const verdictOf = Effect.fnUntraced(function*(seen: SeenEntry | undefined) {
  const sql = yield* SqlClient.SqlClient
  const readHead = SqlSchema.findOne({
    Request: Schema.Void,
    Result: Head,
    execute: () => sql`SELECT last_id, digest FROM audit_head WHERE id = 1`
  })
  const pageAfter = SqlSchema.findAll({
    Request: Schema.Struct({ after: Schema.Int, last: Schema.Int }),
    Result: AuditEntry,
    execute: ({ after, last }) =>
      sql`SELECT * FROM audit WHERE id > ${after} AND id <= ${last} ORDER BY id LIMIT ${PAGE}`
  })
  // One statement, so that an entry which is written meanwhile comes with its head.
  const findBeyond = SqlSchema.findAll({
    Request: Schema.Void,
    Result: Schema.Struct({ id: Whole }),
    execute: () =>
      sql`SELECT id FROM audit WHERE id > (SELECT last_id FROM audit_head WHERE id = 1) OR id < 1 ORDER BY id`
  })
  const head = yield* readHead()
  let check = chainStart
  for (;;) {
    const page = yield* pageAfter({ after: check.id, last: head.last_id })
    for (const entry of page) check = checkEntry(check, entry, seen)
    if (page.length < PAGE) break
  }
  const beyond = (yield* findBeyond()).map(({ id }) => id)
  const verdict: AuditVerdict = {
    head: { id: head.last_id, digest: head.digest },
    faults: chainFaults(check, head, beyond, seen)
  }
  return verdict
})

/**
 * Reads the whole audit log and says which entries were changed, removed, reordered or cut off. Only reads, and may run
 * beside others that write. A log that was written anew as a whole, digests and head included, is found only by `seen`:
 * an entry whose digest was noted elsewhere.
 */
export const verifyAudit = Effect.fn("verifyAudit")((seen?: SeenEntry) =>
  verdictOf(seen).pipe(
    Effect.catchTag("NoSuchElementError", () => Effect.succeed(headless)),
    asStoreFailed("verify the audit log")
  )
)
