import { Effect } from "effect"
import { type ChildProcess, execFileSync } from "node:child_process"
import { randomBytes } from "node:crypto"
import { globSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { asPostgres, chownToPostgres, endedBy, freePort, NoPostgres, started } from "./asPostgres.ts"
import { selfSigned } from "./selfSigned.ts"
import { temporaryDirectory } from "./temporaryDirectory.ts"

/** A PostgreSQL of the test's own, on a port of 127.0.0.1. */
export interface PostgresCluster {
  /** The URL of one of its databases, with the password. */
  readonly url: (database: string) => string
  readonly password: string
  readonly port: number
  readonly place: Place
  /** The file of its certificate, which signs itself and is for 127.0.0.1. */
  readonly certificate: string
  /** Ends it as `pg_ctl stop -m immediate` would: every connection breaks off. */
  readonly stop: Effect.Effect<void>
  /** Ends it as SIGKILL does, all of its processes at once: nobody is told anything, and nothing more is written. */
  readonly kill: Effect.Effect<void>
  /** Starts it again after that, on the same port and with what was committed. */
  readonly start: Effect.Effect<void, NoPostgres>
  /** Of its first process, that all others of it are children of. */
  readonly pid: () => number | undefined
}

/** Nothing here is to outlive a crash of the machine, so nothing is synced; what was committed outlives PostgreSQL. */
const SETTINGS = {
  fsync: "off",
  full_page_writes: "off",
  max_connections: "200",
  shared_buffers: "64MB",
  unix_socket_directories: "",
  listen_addresses: "127.0.0.1",
  dynamic_shared_memory_type: "mmap"
}

export const USER = "patela"

/** The newest of Debian's, which keeps each version in a folder of its own and not in PATH. */
export const postgresPrograms = Effect.suspend(() => {
  const [newest] = globSync("/usr/lib/postgresql/*/bin").toSorted((one, other) =>
    other.localeCompare(one, "en", { numeric: true })
  )
  return newest === undefined
    ? Effect.fail(new NoPostgres({ message: "PostgreSQL is not installed: apt install postgresql" }))
    : Effect.succeed(newest)
})

/** The first process goes first, for it would end the others in order and start anew. */
const killAll = (child: ChildProcess) => () => {
  const { pid } = child
  if (pid === undefined) return
  const others = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").map(Number)
  child.kill("SIGKILL")
  for (const other of others.filter((one) => one > 0)) {
    try {
      process.kill(other, "SIGKILL")
    } catch {
      // It ended by itself meanwhile.
    }
  }
}

/** Where a cluster is. */
export interface Place {
  readonly data: string
  readonly password: string
  readonly cert: string
  readonly key: string
}

/** Starts the cluster that is there, with these settings before those of tests, on a port of its own; ended with the scope. */
export const served = Effect.fnUntraced(function*(place: Place, own: Readonly<Record<string, string>>) {
  const { cert, data, key, password } = place
  const bin = yield* postgresPrograms
  const port = yield* freePort
  const settings = Object.entries({ ...SETTINGS, ...own, port, ssl: "on", ssl_cert_file: cert, ssl_key_file: key })
    .flatMap(([name, value]) => ["-c", `${name}=${value}`])
  let running: ChildProcess | undefined
  const run = Effect.map(
    started([`${bin}/postgres`, "-D", data, ...settings], "ready to accept"),
    (child) => {
      running = child
    }
  )
  const end = (how: (child: ChildProcess) => () => void) =>
    Effect.suspend(() => running === undefined ? Effect.void : endedBy(running, how(running)))
  const stop = end((child) => () => child.kill("SIGQUIT"))
  yield* Effect.acquireRelease(run, () => stop)
  const cluster: PostgresCluster = {
    url: (database) => `postgres://${USER}:${password}@127.0.0.1:${port}/${database}`,
    password,
    port,
    place,
    certificate: cert,
    stop,
    kill: end(killAll),
    start: run,
    pid: () => running?.pid
  }
  return cluster
})

/** Makes a cluster in a temporary folder and starts it, with these settings before those of tests; gone with the scope. */
export const postgresClusterWith = Effect.fnUntraced(function*(own: Readonly<Record<string, string>>) {
  const bin = yield* postgresPrograms
  const folder = yield* temporaryDirectory
  const data = `${folder}/data`
  const password = randomBytes(12).toString("hex")
  const { cert, key } = yield* selfSigned(folder)
  yield* Effect.sync(() => {
    writeFileSync(`${folder}/password`, password, { mode: 0o600 })
    mkdirSync(data, { mode: 0o700 })
    chownToPostgres([folder, data, `${folder}/password`, cert, key])
    const make = [`${bin}/initdb`, `--pgdata=${data}`, `--username=${USER}`, `--pwfile=${folder}/password`]
    execFileSync(
      "setpriv",
      [...asPostgres, "--", ...make, "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"],
      { stdio: "ignore" }
    )
  })
  return yield* served({ data, password, cert, key }, own)
})

export const postgresCluster = postgresClusterWith({})
