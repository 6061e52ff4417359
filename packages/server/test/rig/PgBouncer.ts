import { Effect } from "effect"
import { existsSync, writeFileSync } from "node:fs"
import { chownToPostgres, endedBy, freePort, NoPostgres, started } from "./asPostgres.ts"
import { temporaryDirectory } from "./temporaryDirectory.ts"

const PROGRAM = "/usr/sbin/pgbouncer"

/** How few connections of PostgreSQL's all clients share. */
const POOL = 3

/**
 * A PgBouncer in front of the PostgreSQL of a URL, that gives a connection for one transaction, with these settings more;
 * gone with the scope. Returns the URL through it.
 */
export const pgBouncer = Effect.fnUntraced(function*(url: string, more: Readonly<Record<string, string>> = {}) {
  if (!existsSync(PROGRAM)) {
    return yield* new NoPostgres({ message: "PgBouncer is not installed: apt install pgbouncer" })
  }
  const { hostname, password, port, username } = new URL(url)
  const folder = yield* temporaryDirectory
  const own = yield* freePort
  const settings = {
    listen_addr: "127.0.0.1",
    listen_port: String(own),
    unix_socket_dir: "",
    auth_type: "scram-sha-256",
    auth_file: `${folder}/users`,
    pool_mode: "transaction",
    default_pool_size: String(POOL),
    ...more
  }
  yield* Effect.sync(() => {
    writeFileSync(`${folder}/users`, `"${username}" "${decodeURIComponent(password)}"\n`)
    const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}`)
    writeFileSync(
      `${folder}/pgbouncer.ini`,
      `[databases]\n* = host=${hostname} port=${port}\n[pgbouncer]\n${lines.join("\n")}\n`
    )
    chownToPostgres([folder, `${folder}/users`, `${folder}/pgbouncer.ini`])
  })
  yield* Effect.acquireRelease(
    started([PROGRAM, `${folder}/pgbouncer.ini`], "process up"),
    (program) => endedBy(program, () => program.kill("SIGQUIT"))
  )
  return Object.assign(new URL(url), { port: String(own) }).href
})
