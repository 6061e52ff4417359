import { Effect, Schema } from "effect"
import { type ChildProcess, execFile, spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { launchedWith } from "./launchedWith.ts"

const MAIN = fileURLToPath(new URL("../../src/main.ts", import.meta.url))

/** A program with what comes before its arguments, and in which environment besides that which is named. */
export interface Program {
  readonly command: readonly [string, ...ReadonlyArray<string>]
  readonly variables: Variables
}

/** `patela` from its sources, as its first line has it run. */
const fromSources = (): Program => {
  const { flags, variables } = launchedWith(MAIN)
  return { command: [process.execPath, ...flags, MAIN], variables }
}

/** The server ended before it listened. */
class ServerEnded extends Schema.TaggedError<ServerEnded>()("ServerEnded", { message: Schema.String }) {}

export interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export type Variables = Readonly<Record<string, string>>

// Only what is named: nothing of the machine's own settings reaches the command.
const environmentOf = (variables: Variables) => ({ PATH: process.env["PATH"], ...variables })

/** Runs `patela` as an operator does, in a process of its own, to its end. */
export const patela = (variables: Variables, args: ReadonlyArray<string>, stdin = "") =>
  Effect.callback<Ran>((resume) => {
    const child = execFile(
      process.execPath,
      [MAIN, ...args],
      { env: environmentOf(variables) },
      (error, stdout, stderr) =>
        resume(Effect.succeed({ code: error === null ? 0 : Number(error.code), stdout, stderr }))
    )
    child.stdin?.end(stdin)
  })

export interface RunningServer {
  readonly port: number
  readonly pid: number | undefined
  /** What it printed so far. */
  readonly said: () => string
  /** Sends SIGTERM and answers with the exit code. */
  readonly stop: Effect.Effect<number | null>
  /** Sends SIGKILL, as a crash would end it, and waits for its end. */
  readonly kill: Effect.Effect<void>
}

/** Starts `patela run` on a port, any free one unless told, and waits for its line; killed with the scope. */
export const runServer = (variables: Variables, args: ReadonlyArray<string>, port = 0, program = fromSources()) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly child: ChildProcess; readonly port: number; readonly said: () => string }, Error>(
      (resume) => {
        const [file, ...first] = program.command
        const child = spawn(file, [...first, "run", "--host", "127.0.0.1", "--port", String(port), ...args], {
          env: environmentOf({ ...program.variables, ...variables })
        })
        let said = ""
        child.stdout.on("data", (chunk) => {
          said += String(chunk)
          const listens = /listens on https:\/\/127\.0\.0\.1:(\d+)/.exec(said)?.[1]
          if (listens !== undefined) resume(Effect.succeed({ child, port: Number(listens), said: () => said }))
        })
        child.stderr.on("data", (chunk) => {
          said += String(chunk)
        })
        child.on(
          "exit",
          (code) => resume(Effect.fail(new ServerEnded({ message: `patela run ended with ${code}: ${said}` })))
        )
      }
    ),
    ({ child }) => Effect.sync(() => child.kill("SIGKILL"))
  ).pipe(Effect.map(({ child, port, said }): RunningServer => ({
    port,
    pid: child.pid,
    said,
    stop: Effect.callback((resume) => {
      child.on("exit", (code) => resume(Effect.succeed(code)))
      child.kill("SIGTERM")
    }),
    kill: Effect.callback((resume) => {
      child.on("exit", () => resume(Effect.void))
      child.kill("SIGKILL")
    })
  })))
