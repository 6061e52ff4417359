import { Duration, Effect, type Redacted, Redacted as RedactedValue, Stream } from "effect"
import { ChildProcess, type ChildProcessSpawner } from "effect/process"
import { classifyFailure } from "./classifyFailure.ts"
import type { Tcti } from "./Tcti.ts"
import { type TpmError, TpmToolsUnusable } from "./TpmError.ts"
import { silentFor } from "./unreachable.ts"

/** How long one command may take. */
const LIMIT = Duration.seconds(10)

/** How long one that makes a key may take: a slow TPM looks for the primes of an RSA key for many seconds. */
const KEY_LIMIT = Duration.seconds(60)
const MAKES_A_KEY: ReadonlySet<string> = new Set(["tpm2_createek", "tpm2_createprimary"])

/**
 * Runs one command of tpm2-tools and gives what it wrote to its standard output. The address of the TPM goes in the
 * environment, secret bytes only through standard input and output.
 */
export const runTool = (spawner: ChildProcessSpawner.ChildProcessSpawner["Service"], tcti: Tcti) =>
  Effect.fnUntraced(function*(
    command: string,
    args: ReadonlyArray<string>,
    input?: Redacted.Redacted<Uint8Array>
  ): Effect.fn.Return<Uint8Array, TpmError> {
    const ended = Effect.gen(function*() {
      const handle = yield* spawner.spawn(
        ChildProcess.make(command, args, {
          env: { TPM2TOOLS_TCTI: tcti, LC_ALL: "C" },
          extendEnv: true,
          stdin: input === undefined ? "ignore" : Stream.make(RedactedValue.value(input)),
          killSignal: "SIGTERM",
          forceKillAfter: "1 second"
        })
      )
      const [stdout, stderr, status] = yield* Effect.all([
        Stream.mkUint8Array(handle.stdout),
        Stream.mkString(Stream.decodeText(handle.stderr)),
        // Without an exit code a signal ended it: tpm2-tools 5.4 crash on some refusals.
        handle.exitCode.pipe(Effect.match({ onSuccess: Number, onFailure: () => "ended by a signal" }))
      ], { concurrency: "unbounded" })
      if (status === 0) return stdout
      return yield* Effect.fail(
        classifyFailure({
          command,
          tcti,
          status: typeof status === "number" ? `exit code ${status}` : status,
          stderr
        })
      )
    }).pipe(
      Effect.scoped,
      Effect.catchTag("PlatformError", (error) =>
        Effect.fail(
          new TpmToolsUnusable({
            command,
            message: error.reason._tag === "NotFound"
              ? `${command} is not installed. Install the Debian package tpm2-tools.`
              : `${command} could not be run: ${error.reason._tag}.`
          })
        ))
    )
    const duration = MAKES_A_KEY.has(command) ? KEY_LIMIT : LIMIT
    return yield* Effect.timeoutOrElse(ended, {
      duration,
      orElse: () => Effect.fail(silentFor(duration, command, "killed"))
    })
  })

export type RunTool = ReturnType<typeof runTool>
