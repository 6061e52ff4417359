import { Duration, Effect, Schema } from "effect"
import { spawn } from "node:child_process"

/** What a finished program left: its exit status (128 + signal number when a signal ended it, as a shell says it). */
export interface CommandResult {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

export interface CommandOptions {
  /** The whole environment of the program; without it, this process's own. */
  readonly env?: Readonly<Record<string, string>>
  /** What the program reads; without it, its input is empty. */
  readonly stdin?: string | Uint8Array
  /** How long it may run before it is killed; 60 s unless told. */
  readonly within?: Duration.Input
}

/** An argument vector: the program, then its arguments. No shell ever reads it. */
export type Argv = readonly [program: string, ...rest: ReadonlyArray<string>]

/** The program could not be started: it is not installed, or not executable. */
export class CommandNotStarted extends Schema.TaggedError<CommandNotStarted>()("CommandNotStarted", {
  argv: Schema.Array(Schema.String),
  reason: Schema.String
}) {
  override get message() {
    return `${
      this.argv[0]
    } could not be started (${this.reason}). Run scripts/setup.sh, which installs what is missing.`
  }
}

/** The program ended with a status other than zero where only zero will do. */
export class CommandFailed extends Schema.TaggedError<CommandFailed>()("CommandFailed", {
  argv: Schema.Array(Schema.String),
  exitCode: Schema.Int,
  stdout: Schema.String,
  stderr: Schema.String
}) {
  override get message() {
    const said = `${this.stderr}${this.stdout}`.trim()
    return `"${this.argv.join(" ")}" ended with status ${this.exitCode}: ${said === "" ? "it said nothing" : said}`
  }
}

/** The program did not end in time and was killed. */
export class CommandTooSlow extends Schema.TaggedError<CommandTooSlow>()("CommandTooSlow", {
  argv: Schema.Array(Schema.String),
  within: Schema.String
}) {
  override get message() {
    return `"${this.argv.join(" ")}" did not end within ${this.within} and was killed.`
  }
}

export type CommandFault = CommandNotStarted | CommandTooSlow

const signalNumbers: Readonly<Record<string, number>> = { SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGSEGV: 11, SIGTERM: 15 }

/** The status as a shell gives it: a program that a signal ended has 128 + the signal's number. */
export const exitStatus = (code: number | null, signal: NodeJS.Signals | null): number =>
  code ?? 128 + (signal === null ? 0 : signalNumbers[signal] ?? 0)

/**
 * Runs a program to its end and reports what it left; a status other than zero is a result, not an error.
 * An interrupted or late run is killed and reaped before this returns.
 */
export const run = (argv: Argv, options: CommandOptions = {}): Effect.Effect<CommandResult, CommandFault> => {
  const within = Duration.fromInputUnsafe(options.within ?? "60 seconds")
  return Effect.callback<CommandResult, CommandNotStarted>((resume) => {
    const [program, ...rest] = argv
    const child = spawn(program, rest, { env: options.env ?? process.env, stdio: ["pipe", "pipe", "pipe"] })
    const stdout: Array<Buffer> = []
    const stderr: Array<Buffer> = []
    child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk))
    child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk))
    // A program that ends without reading its input closes the pipe early; its status says whether that mattered.
    child.stdin.on("error", () => undefined)
    child.stdin.end(options.stdin)
    child.once("error", (error) => resume(Effect.fail(new CommandNotStarted({ argv, reason: error.message }))))
    child.once("close", (code, signal) =>
      resume(Effect.succeed({
        exitCode: exitStatus(code, signal),
        stdout: Buffer.concat(stdout).toString("utf8"),
        stderr: Buffer.concat(stderr).toString("utf8")
      })))
    return Effect.callback<void>((done) => {
      if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return done(Effect.void)
      child.once("exit", () => done(Effect.void))
      child.kill("SIGKILL")
    })
  }).pipe(
    Effect.timeoutOrElse({
      duration: within,
      orElse: () => Effect.fail(new CommandTooSlow({ argv, within: Duration.format(within) }))
    })
  )
}

/** Runs a program that must end with status zero, and gives what it wrote to its output. */
export const runOk = Effect.fnUntraced(function*(argv: Argv, options: CommandOptions = {}) {
  const result = yield* run(argv, options)
  if (result.exitCode !== 0) return yield* new CommandFailed({ argv, ...result })
  return result.stdout
})
