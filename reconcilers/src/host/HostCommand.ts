import { Context, Effect, Layer, Option, Schema, Stream } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import { type Ask, keepPrograms } from "./KeptProgram.ts"
import { PLAIN_ENVIRONMENT } from "./PlainEnvironment.ts"

/** A program of the host did not do what it was asked. `message` says which, how it ended and what it wrote. */
export class CommandFailed extends Schema.TaggedError<CommandFailed>()("CommandFailed", {
  program: Schema.String,
  reason: Schema.Literals(["not started", "timed out", "exit code"]),
  exitCode: Schema.NullOr(Schema.Int),
  stderr: Schema.String,
  message: Schema.String
}) {}

/** What a finished program wrote, as UTF-8. */
export interface CommandResult {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

export interface CommandOptions {
  readonly stdin?: string | Uint8Array
  /** Milliseconds until the program is killed; 10,000 unless told. */
  readonly timeout?: number
}

const TIMEOUT = 10_000

/** The longest piece of a program's complaint that goes into a message. */
const COMPLAINT = 500

/** Runs programs of the host by argument vector, never through a shell, with no environment but a plain locale. */
export class HostCommand extends Context.Service<HostCommand, {
  /** Runs to the end; any exit code but 0 is a failure. The value is standard output. */
  readonly run: (
    program: string,
    args: ReadonlyArray<string>,
    options?: CommandOptions
  ) => Effect.Effect<string, CommandFailed>
  /** Runs to the end; the caller judges the exit code. */
  readonly attempt: (
    program: string,
    args: ReadonlyArray<string>,
    options?: CommandOptions
  ) => Effect.Effect<CommandResult, CommandFailed>
  /** Asks a program that is kept running, which changes nothing; none when it did not answer: then run it. */
  readonly ask: Ask
}>()("@patela/reconcilers/host/HostCommand") {
  /** Runs every program behind `prefix`, such as `ip netns exec NAME`. */
  static readonly layerBehind = (prefix: ReadonlyArray<string>) =>
    Layer.effect(HostCommand, Effect.suspend(() => make(prefix)))

  static readonly layer: Layer.Layer<HostCommand, never, ChildProcessSpawner.ChildProcessSpawner> = HostCommand
    .layerBehind([])
}

const make = Effect.fnUntraced(function*(prefix: ReadonlyArray<string>) {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner

  const attempt = Effect.fn("HostCommand.attempt")(
    function*(program: string, args: ReadonlyArray<string>, options?: CommandOptions) {
      const [first = program, ...rest] = [...prefix, program, ...args]
      const handle = yield* spawner.spawn(
        ChildProcess.make(first, rest, {
          env: PLAIN_ENVIRONMENT,
          extendEnv: false,
          stdin: options?.stdin === undefined ? "ignore" : Stream.make(bytesOf(options.stdin)),
          killSignal: "SIGKILL"
        })
      )
      const [stdout, stderr, exitCode] = yield* Effect.all([
        handle.stdout.pipe(Stream.decodeText(), Stream.mkString),
        handle.stderr.pipe(Stream.decodeText(), Stream.mkString),
        handle.exitCode
      ], { concurrency: "unbounded" })
      return { exitCode: Number(exitCode), stdout, stderr }
    },
    Effect.scoped,
    (effect, program) => Effect.mapError(effect, (cause) => failure(program, "not started", null, cause.message)),
    (effect, program, _args, options) =>
      Effect.timeoutOption(effect, options?.timeout ?? TIMEOUT).pipe(
        Effect.flatMap(Option.match({
          onNone: () => Effect.fail(failure(program, "timed out", null, "")),
          onSome: Effect.succeed
        }))
      )
  )

  const run = Effect.fn("HostCommand.run")(
    function*(program: string, args: ReadonlyArray<string>, options?: CommandOptions) {
      const result = yield* attempt(program, args, options)
      if (result.exitCode !== 0) return yield* failure(program, "exit code", result.exitCode, result.stderr)
      return result.stdout
    }
  )

  return HostCommand.of({ run, attempt, ask: yield* keepPrograms(prefix) })
})

const bytesOf = (input: string | Uint8Array): Uint8Array =>
  typeof input === "string" ? new TextEncoder().encode(input) : input

const failure = (
  program: string,
  reason: CommandFailed["reason"],
  exitCode: number | null,
  stderr: string
): CommandFailed => {
  const how = reason === "exit code" ? `ended with code ${exitCode}` : reason
  const complaint = stderr.trim().slice(0, COMPLAINT)
  return new CommandFailed({
    program,
    reason,
    exitCode,
    stderr,
    message: complaint === "" ? `${program} ${how}` : `${program} ${how}: ${complaint}`
  })
}
