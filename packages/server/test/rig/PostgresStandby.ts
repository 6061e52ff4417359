import { Effect } from "effect"
import { execFile } from "node:child_process"
import { mkdirSync } from "node:fs"
import { asPostgres, chownToPostgres, NoPostgres } from "./asPostgres.ts"
import { type PostgresCluster, postgresPrograms, served, USER } from "./PostgresCluster.ts"
import { temporaryDirectory } from "./temporaryDirectory.ts"

const runAsPostgres = (argv: ReadonlyArray<string>, environment: Readonly<Record<string, string>> = {}) =>
  Effect.callback<void, NoPostgres>((resume) => {
    execFile(
      "setpriv",
      [...asPostgres, "--", ...argv],
      { env: { ...process.env, ...environment } },
      (error, _, said) =>
        resume(error === null ? Effect.void : Effect.fail(new NoPostgres({ message: `${argv[0]}: ${said}` })))
    )
  })

/** A second cluster that follows a first one as it writes (PostgreSQL manual, 27.2.5); ended with the scope. */
export const postgresStandby = Effect.fnUntraced(function*(primary: PostgresCluster) {
  const bin = yield* postgresPrograms
  const folder = yield* temporaryDirectory
  const data = `${folder}/data`
  const { cert, key, password } = primary.place
  yield* Effect.sync(() => {
    mkdirSync(data, { mode: 0o700 })
    chownToPostgres([folder, data])
  })
  const from = ["--host=127.0.0.1", `--port=${primary.port}`, `--username=${USER}`]
  yield* runAsPostgres(
    [`${bin}/pg_basebackup`, `--pgdata=${data}`, ...from, "--write-recovery-conf", "--checkpoint=fast", "--no-sync"],
    { PGPASSWORD: password }
  )
  const cluster = yield* served({ data, password, cert, key }, {})
  return {
    cluster,
    /** Has it take over: from then on it is written to. */
    promote: runAsPostgres([`${bin}/pg_ctl`, "promote", "--wait", `--pgdata=${data}`])
  }
})
