import { Effect, Schema } from "effect"
import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import { randomInt } from "node:crypto"
import { chownSync } from "node:fs"
import { createServer } from "node:net"

/** PostgreSQL, or what is to stand in front of it, is not installed or did not start. */
export class NoPostgres extends Schema.TaggedError<NoPostgres>()("NoPostgres", { message: Schema.String }) {}

/** PostgreSQL and what belongs to it refuse to run as root. */
export const asPostgres: ReadonlyArray<string> = process.geteuid?.() === 0
  ? ["--reuid=postgres", "--regid=postgres", "--init-groups"]
  : []

/** Gives files and folders to whom it runs as. */
export const chownToPostgres = (paths: ReadonlyArray<string>): void => {
  if (asPostgres.length === 0) return
  const [user, group] = ["-u", "-g"].map((flag) => Number(execFileSync("id", [flag, "postgres"], { encoding: "utf8" })))
  for (const path of paths) chownSync(path, user ?? 0, group ?? 0)
}

/** Below those that the kernel gives to connections (ip(7), ip_local_port_range): none of them may have it between two starts. */
const PORTS = { first: 20_000, count: 12_000 }

const isFree = (port: number) =>
  Effect.callback<boolean>((resume) => {
    const server = createServer()
    server.once("error", () => resume(Effect.succeed(false)))
    server.listen(port, "127.0.0.1", () => server.close(() => resume(Effect.succeed(true))))
  })

/** A port of 127.0.0.1 that nobody listens at, for a program that is told its port. */
export const freePort = Effect.sync(() => PORTS.first + randomInt(PORTS.count)).pipe(
  Effect.flatMap((port) => Effect.map(isFree(port), (free) => ({ port, free }))),
  Effect.repeat({ until: ({ free }) => free }),
  Effect.map(({ port }) => port)
)

/** A program of PostgreSQL's, from when it says that it is ready; killed by the kernel when this process ends, however it ends. */
export const started = (argv: ReadonlyArray<string>, ready: string) =>
  Effect.callback<ChildProcess, NoPostgres>((resume) => {
    const child = spawn("setpriv", ["--pdeathsig", "KILL", ...asPostgres, "--", ...argv], {
      stdio: ["ignore", "ignore", "pipe"]
    })
    let said = ""
    child.stderr.on("data", (chunk) => {
      said = (said + String(chunk)).slice(-5000)
      if (said.includes(ready)) resume(Effect.succeed(child))
    })
    child.once(
      "exit",
      (code) => resume(Effect.fail(new NoPostgres({ message: `${argv[0]} ended with ${code}: ${said}` })))
    )
  })

/** Waits for the end of a program that is told to end. */
export const endedBy = (child: ChildProcess, end: () => void) =>
  Effect.callback<void>((resume) => {
    if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
    child.once("exit", () => resume(Effect.void))
    end()
  })
