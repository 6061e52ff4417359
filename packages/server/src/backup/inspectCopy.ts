import { Effect, Schema } from "effect"
import { SqlClient, SqlSchema } from "effect/sql"
import { faultText } from "../audit/ChainCheck.ts"
import { verifyAudit } from "../audit/verifyAudit.ts"
import { Whole } from "../store/Column.ts"
import { integrityFaults } from "../store/integrityFaults.ts"
import { schemaVersion } from "../store/schemaVersion.ts"
import * as SqliteClient from "../store/SqliteClient.ts"
import { NEWEST_SCHEMA } from "../store/Store.ts"

/** A file is no whole database of Patela's. */
export class CopyUnfit extends Schema.TaggedError<CopyUnfit>()("CopyUnfit", { message: Schema.String }) {}

/** The step that made the audit log a chain: older copies have none to verify. */
const CHAINED = 13

/** The step that brought relays. */
const RELAYS = 2

/** The step that brought the generation. */
const GENERATION = 5

/** What a copy holds. `version` is that of its schema; `generation` null where it is older than that; `audit` the newest entry. */
export interface CopyContent {
  readonly version: number
  readonly generation: number | null
  readonly nodes: number
  readonly relays: number
  readonly audit: { readonly id: number; readonly digest: string } | null
}

const content = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const unfit = (message: string) => new CopyUnfit({ message })
  const faults = yield* integrityFaults
  if (faults.length > 0) return yield* unfit(`it is damaged: ${faults.slice(0, 5).join("; ")}`)
  const version = yield* schemaVersion
  if (version === 0) return yield* unfit("it is an empty database")
  if (version > NEWEST_SCHEMA) {
    return yield* unfit(
      `it is of a newer Patela: its schema is ${version}, and this one knows up to ${NEWEST_SCHEMA}. Use that version`
    )
  }
  const number = (statement: string) =>
    SqlSchema.findOne({
      Request: Schema.Void,
      Result: Schema.Struct({ value: Whole }),
      execute: () => sql.unsafe(statement)
    })().pipe(Effect.map(({ value }) => value))
  const audit = version < CHAINED ? null : yield* verifyAudit()
  if (audit !== null && audit.faults.length > 0) {
    return yield* unfit(`its audit log is not as it was written: ${audit.faults.slice(0, 5).map(faultText).join("; ")}`)
  }
  const found: CopyContent = {
    version,
    generation: version < GENERATION ? null : yield* number("SELECT value FROM generation"),
    nodes: yield* number("SELECT COUNT(*) AS value FROM nodes"),
    relays: version < RELAYS ? 0 : yield* number("SELECT COUNT(*) AS value FROM relays"),
    audit: audit === null ? null : audit.head
  }
  return found
})

/** Looks at a SQLite file as a whole, and says what it holds; nothing is written. */
export const inspectCopy = Effect.fn("inspectCopy")((path: string, as: SqliteClient.ReadAs = "shared") =>
  content.pipe(
    Effect.provide(SqliteClient.layerToRead(path, as)),
    Effect.mapError((error) => {
      const why = error._tag === "SqlError" ? error.reason.message : error.message
      return new CopyUnfit({ message: `${path} is no whole database of Patela's: ${why}` })
    })
  )
)
