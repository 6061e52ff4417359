import { Effect, Option } from "effect"
import { spawn } from "node:child_process"
import { createInterface } from "node:readline"
import { type Argv, CommandNotStarted, type CommandOptions, exitStatus } from "./Command.ts"
import { type DeadlineOptions, type DeadlinePassed, ifSome, waitFor } from "./Deadline.ts"

/** A program that runs for as long as its scope. */
export interface BackgroundProcess {
  readonly pid: number
  /** The lines it has written so far, to its output and its error output, in order of arrival. */
  readonly lines: Effect.Effect<ReadonlyArray<string>>
  /** Its exit status, once it has ended. */
  readonly ended: Effect.Effect<Option.Option<number>>
  /** Waits until a line satisfies the predicate. */
  readonly lineThat: (what: string, is: (line: string) => boolean, options?: DeadlineOptions) => Effect.Effect<
    string,
    DeadlinePassed
  >
  /** Sends a signal and waits until it has ended; nothing happens when it has. Returns its exit status. */
  readonly end: (signal: NodeJS.Signals) => Effect.Effect<number>
}

export const BackgroundProcess = {
  /**
   * Starts a program; it is killed (SIGKILL) and reaped when the scope closes, and by the kernel when this process dies,
   * however it dies (PR_SET_PDEATHSIG, prctl(2)).
   */
  start: Effect.fnUntraced(function*(argv: Argv, options: Pick<CommandOptions, "env" | "stdin"> = {}) {
    return yield* Effect.acquireRelease(
      Effect.callback<BackgroundProcess, CommandNotStarted>((resume) => {
        const child = spawn("setpriv", ["--pdeathsig", "KILL", "--", ...argv], {
          env: options.env ?? process.env,
          stdio: ["pipe", "pipe", "pipe"]
        })
        const lines: Array<string> = []
        for (const output of [child.stdout, child.stderr]) {
          createInterface({ input: output }).on("line", (line) => lines.push(line))
        }
        child.stdin.on("error", () => undefined)
        child.stdin.end(options.stdin)
        let status: number | undefined
        child.once("exit", (code, signal) => {
          status = exitStatus(code, signal)
        })
        child.once("error", (error) => resume(Effect.fail(new CommandNotStarted({ argv, reason: error.message }))))
        child.once("spawn", () => {
          if (child.pid === undefined) {
            return resume(Effect.fail(new CommandNotStarted({ argv, reason: "it has no process id" })))
          }
          const end = (signal: NodeJS.Signals) =>
            Effect.callback<number>((done) => {
              if (status !== undefined) return done(Effect.succeed(status))
              child.once("exit", (code, by) => done(Effect.succeed(exitStatus(code, by))))
              child.kill(signal)
            })
          resume(Effect.succeed({
            pid: child.pid,
            lines: Effect.sync(() => [...lines]),
            ended: Effect.sync(() => Option.fromUndefinedOr(status)),
            lineThat: (what, is, deadline) =>
              waitFor(
                what,
                Effect.sync(() => ifSome(Option.fromUndefinedOr(lines.find(is)), lines.slice(-5).join("\n"))),
                deadline
              ),
            end
          }))
        })
      }),
      (started) => started.end("SIGKILL")
    )
  })
}
