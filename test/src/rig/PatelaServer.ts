import { Effect, Exit, Option, Redacted, Ref, Schema, Scope } from "effect"
import { randomBytes } from "node:crypto"
import { mkdirSync } from "node:fs"
import { management, relayNetwork } from "./Addresses.ts"
import type { BackgroundProcess } from "./BackgroundProcess.ts"
import type { CertificateAuthority } from "./CertificateAuthority.ts"
import type { Argv, CommandFault, CommandNotStarted, CommandOptions, CommandResult } from "./Command.ts"
import { type DeadlinePassed, found, instead, waitFor } from "./Deadline.ts"
import type { Namespace } from "./Namespace.ts"
import { nodeBinary, repositoryRoot } from "./Repository.ts"
import { TemporaryDirectory } from "./TemporaryDirectory.ts"

/** The server ended before it listened; `lines` is what it wrote last. */
export class ServerEndedEarly extends Schema.TaggedError<ServerEndedEarly>()("ServerEndedEarly", {
  exitCode: Schema.Int,
  lines: Schema.Array(Schema.String)
}) {
  override get message() {
    return `"patela run" ended with status ${this.exitCode} before it listened. It wrote:\n${this.lines.join("\n")}`
  }
}

/** The Patela server, run from source in the management network. */
export interface PatelaServer {
  readonly url: string
  /** The folder of its database, which outlives its process. */
  readonly folder: string
  /** Starts it and waits until its port is open. Nothing happens when it runs. */
  readonly start: Effect.Effect<void, CommandFault | CommandNotStarted | DeadlinePassed | ServerEndedEarly>
  /** Kills it (SIGKILL), as a crash would. Its database stays. */
  readonly kill: Effect.Effect<void>
  /** Ends it in good order (SIGTERM); returns its exit status, or nothing when it did not run. */
  readonly stop: Effect.Effect<Option.Option<number>>
  /** Runs `patela ARGUMENTS` with the server's environment. */
  readonly cli: (
    args: ReadonlyArray<string>,
    options?: Pick<CommandOptions, "stdin" | "within">
  ) => Effect.Effect<CommandResult, CommandFault>
  /** Environment on top of what it has, for its next start and for commands: as an operator who edits its unit. */
  readonly configure: (more: Readonly<Record<string, string>>) => Effect.Effect<void>
  /** What the running process has written so far; empty when it does not run. */
  readonly lines: Effect.Effect<ReadonlyArray<string>>
}

export interface PatelaServerOptions {
  /** Where it runs: a namespace that has the address 192.0.2.1. */
  readonly namespace: Namespace
  readonly authority: CertificateAuthority
  /** The key that signs tokens: `ed25519-private/` and 64 hex digits; a random one unless told. */
  readonly biscuitKey?: Redacted.Redacted
  /** Environment on top of the rig's, for other pools or limits. */
  readonly env?: Readonly<Record<string, string>>
  readonly port?: number
}

export const PatelaServer = {
  /** Prepared, with an empty database; `start` runs it, `cli` works before that too. */
  make: Effect.fnUntraced(function*(options: PatelaServerOptions) {
    const { namespace, authority, port = 8020 } = options
    const scope = yield* Effect.scope
    const folder = yield* TemporaryDirectory.make("patela")
    yield* Effect.sync(() => mkdirSync(`${folder}/home`, { mode: 0o700 }))
    const biscuitKey = options.biscuitKey ?? Redacted.make(`ed25519-private/${randomBytes(32).toString("hex")}`)
    const env: Record<string, string> = {
      PATH: process.env["PATH"] ?? "/usr/sbin:/usr/bin:/sbin:/bin",
      HOME: `${folder}/home`,
      LANG: "C.UTF-8",
      DATABASE_URL: `sqlite:${folder}/patela.db`,
      PATELA_SERVER_CERT: authority.serverCertificate,
      PATELA_SERVER_KEY: authority.serverKey,
      PATELA_BISCUIT_KEY: Redacted.value(biscuitKey),
      PATELA_FIRST_V4: relayNetwork.firstV4,
      PATELA_FIRST_V6: relayNetwork.firstV6,
      PATELA_PREFIX_V4: String(relayNetwork.prefixV4),
      PATELA_PREFIX_V6: String(relayNetwork.prefixV6),
      ...options.env
    }
    const command = (args: ReadonlyArray<string>): Argv => [
      nodeBinary,
      `${repositoryRoot}/packages/server/src/main.ts`,
      ...args
    ]
    const running = yield* Ref.make(
      Option.none<{ readonly process: BackgroundProcess; readonly on: Scope.Closeable }>()
    )

    const end = (signal: NodeJS.Signals) =>
      Ref.getAndSet(running, Option.none()).pipe(Effect.flatMap(Option.match({
        onNone: () => Effect.succeedNone,
        onSome: ({ process, on }) =>
          process.end(signal).pipe(Effect.asSome, Effect.ensuring(Scope.close(on, Exit.void)))
      })))

    const start = Effect.gen(function*() {
      if (Option.isSome(yield* Ref.get(running))) return
      const on = yield* Scope.fork(scope)
      const started = yield* namespace.start(
        command(["run", "--host", "0.0.0.0", "--port", String(port)]),
        { env }
      ).pipe(Scope.provide(on))
      yield* Ref.set(running, Option.some({ process: started, on }))
      yield* waitFor(
        `the Patela server to listen on port ${port}`,
        Effect.gen(function*() {
          const { stdout } = yield* namespace.exec(["ss", "-Hltn", "sport", "=", `:${port}`])
          if (stdout.includes(`:${port}`)) return found(undefined)
          const lines = (yield* started.lines).slice(-10)
          const ended = yield* started.ended
          if (Option.isSome(ended)) return yield* new ServerEndedEarly({ exitCode: ended.value, lines })
          return instead(lines.join("\n"))
        }),
        { within: "60 seconds" }
      ).pipe(Effect.onError(() => end("SIGKILL")))
    })

    const server: PatelaServer = {
      url: `https://${management.serverV4}:${port}`,
      folder,
      start,
      kill: Effect.asVoid(end("SIGKILL")),
      stop: end("SIGTERM"),
      configure: (more) => Effect.sync(() => void Object.assign(env, more)),
      cli: (args, options) => namespace.exec(command(args), { ...options, env }),
      lines: Ref.get(running).pipe(
        Effect.flatMap(Option.match({ onNone: () => Effect.succeed([]), onSome: ({ process }) => process.lines }))
      )
    }
    return server
  })
}
