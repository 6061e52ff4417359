import { Effect, FileSystem } from "effect"
import { dirname } from "node:path"
import { faultText } from "../audit/ChainCheck.ts"
import { verifyAudit } from "../audit/verifyAudit.ts"
import { integrityFaults } from "../store/integrityFaults.ts"
import { schemaVersion } from "../store/schemaVersion.ts"
import { NEWEST_SCHEMA } from "../store/Store.ts"
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
      "Back it up (patela backup FILE); the next start of any command brings it there"
    )

/** Whether the database is whole, of this version, and its audit log as it was written. Nothing is written. */
export const databaseFindings = Effect.gen(function*() {
  const faults = yield* integrityFaults
  const integrity = faults.length === 0
    ? fine("database", "SQLite finds it whole")
    : wrong("database", `it is damaged: ${faults.slice(0, SHOWN).join("; ")}`, BACKUP)
  const version = yield* schemaVersion
  const findings = [integrity, versionFinding(version)]
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
