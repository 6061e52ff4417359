import { Clock, Effect, FileSystem, Schema } from "effect"
import { SqlClient, SqlSchema } from "effect/sql"
import { dirname } from "node:path"
import { faultText } from "../audit/ChainCheck.ts"
import { verifyAudit } from "../audit/verifyAudit.ts"
import { Whole } from "../store/Column.ts"
import { integrityFaults } from "../store/integrityFaults.ts"
import { postgresFaults } from "../store/postgresFaults.ts"
import { schemaVersion } from "../store/schemaVersion.ts"
import { NEWEST_SCHEMA } from "../store/Store.ts"
import { asStoreFailed } from "../store/StoreFailed.ts"
import { databaseClockFinding } from "./clockFinding.ts"
import { type Finding, fine, warning, wrong } from "./Finding.ts"
import { modeFinding } from "./modeFinding.ts"

const BACKUP = "Put a backup in its place: patela restore FILE --replace"

/** Shown of what may be hundreds. */
const SHOWN = 5

/** Where the database is, who may read it, and whether there is room for it to grow. */
export const databaseFileFindings = Effect.fnUntraced(function*(path: string) {
  const fs = yield* FileSystem.FileSystem
  const modeOf = (at: string) => Effect.option(Effect.map(fs.stat(at), ({ mode }) => mode))
  const findings: Array<Finding> = []
  for (const end of ["", "-wal", "-shm"]) {
    const mode = yield* modeOf(path + end)
    if (mode._tag === "Some") findings.push(modeFinding("database", path + end, mode.value, "secret"))
  }
  const folder = dirname(path)
  const mode = yield* modeOf(folder)
  if (mode._tag === "Some") findings.push(modeFinding("database", folder, mode.value, "folder"))
  return findings
})

const versionFinding = (version: number): Finding =>
  version === NEWEST_SCHEMA
    ? fine("migrations", `its schema is ${version}, the newest`)
    : version > NEWEST_SCHEMA
    ? wrong(
      "migrations",
      `it is of a newer Patela: its schema is ${version}, and this one knows up to ${NEWEST_SCHEMA}`,
      "Use the version that brought it there"
    )
    : warning(
      "migrations",
      `its schema is ${version}, and ${NEWEST_SCHEMA} is the newest`,
      "Back it up (patela backup FILE, or pg_dump); the next start of any command brings it there"
    )

const wholeOnSqlite = Effect.map(integrityFaults, (faults) => [
  faults.length === 0
    ? fine("database", "SQLite finds it whole")
    : wrong("database", `it is damaged: ${faults.slice(0, SHOWN).join("; ")}`, BACKUP)
])

/** By how many seconds the clock of PostgreSQL's machine is ahead: what the question takes is not counted. */
const databaseClock = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const asked = yield* Clock.currentTimeMillis
  const { there } = yield* SqlSchema.findOne({
    Request: Schema.Void,
    Result: Schema.Struct({ there: Whole }),
    execute: () => sql`SELECT (EXTRACT(EPOCH FROM clock_timestamp()) * 1000)::bigint AS there`
  })().pipe(Effect.catchTag("NoSuchElementError", Effect.die), asStoreFailed("say its time"))
  const answered = yield* Clock.currentTimeMillis
  return databaseClockFinding(Math.round((there - (asked + answered) / 2) / 1000))
})

const wholeOnPostgres = Effect.gen(function*() {
  const faults = yield* postgresFaults
  const whole = faults.length === 0
    ? [fine("database", "its constraints, indexes, triggers and numbers are in force; of its pages pg_amcheck knows")]
    : faults.slice(0, SHOWN).map(({ cure, fault }) => wrong("database", fault, `Back it up (pg_dump), then: ${cure}`))
  const more = faults.length - SHOWN
  const hidden = more > 0 ? [wrong("database", `${more} more like these`, "Look again once those are cured")] : []
  return [...whole, ...hidden, yield* databaseClock]
})

/** Whether the database is whole, of this version, and its audit log as it was written. Nothing is written. */
export const databaseFindings = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const version = yield* schemaVersion
  const whole = yield* sql.onDialectOrElse({ pg: () => wholeOnPostgres, orElse: () => wholeOnSqlite })
  const findings = [...whole, versionFinding(version)]
  if (version !== NEWEST_SCHEMA) return { current: false, findings }
  const audit = yield* verifyAudit()
  findings.push(
    audit.faults.length === 0
      ? fine("audit", `its ${audit.head.id} entries are as written`)
      : wrong(
        "audit",
        `it is not as it was written: ${audit.faults.slice(0, SHOWN).map(faultText).join("; ")}`,
        "Somebody changed the database itself. Compare it with a backup; all of it: patela audit verify"
      )
  )
  return { current: true, findings }
})
