import { Duration, Effect, FileSystem, Schedule, Schema, type Scope } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import { type Tcti, Tcti as TctiSchema } from "../../src/transport/Tcti.ts"
import { isListening } from "./isListening.ts"

/** A software TPM on a unix socket. Its state lives in `stateDirectory` and outlives it, as a TPM outlives a boot. */
export interface Swtpm {
  readonly tcti: Tcti
  readonly pid: number
}

/** The TPM did not come up. */
class SwtpmNotReady extends Schema.TaggedError<SwtpmNotReady>()("SwtpmNotReady", { message: Schema.String }) {}

/**
 * Starts swtpm for the length of the scope. Socket and log are in a scoped directory of their own, so that a second
 * start on the same state is a power cycle of the same machine. With `socketDirectory` it also has the same address.
 */
export const swtpm = Effect.fn("swtpm")(function*(
  stateDirectory: string,
  socketDirectory?: string
): Effect.fn.Return<Swtpm, unknown, FileSystem.FileSystem | ChildProcessSpawner.ChildProcessSpawner | Scope.Scope> {
  const files = yield* FileSystem.FileSystem
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const directory = socketDirectory ?? (yield* files.makeTempDirectoryScoped({ prefix: "swtpm-" }))
  const socket = `${directory}/s`
  const handle = yield* spawner.spawn(
    ChildProcess.make("swtpm", [
      "socket",
      "--tpm2",
      "--server",
      `type=unixio,path=${socket}`,
      "--ctrl",
      `type=unixio,path=${socket}.ctrl`,
      "--tpmstate",
      `dir=${stateDirectory}`,
      "--flags",
      "not-need-init,startup-clear",
      "--log",
      `file=${directory}/log`
    ], { stdin: "ignore", stdout: "ignore", stderr: "ignore", killSignal: "SIGTERM", forceKillAfter: "2 seconds" })
  )
  const answers = Effect.suspend(() =>
    [socket, `${socket}.ctrl`].every(isListening)
      ? Effect.void
      : Effect.fail(new SwtpmNotReady({ message: `swtpm does not listen on ${socket}` }))
  )
  yield* Effect.retry(answers, { schedule: Schedule.spaced(Duration.millis(10)), times: 1000 })
  return { tcti: TctiSchema.make(`swtpm:path=${socket}`), pid: Number(handle.pid) }
})

/** An empty directory for the state of a new TPM, removed with the scope. */
export const newTpmState = Effect.gen(function*() {
  const files = yield* FileSystem.FileSystem
  return yield* files.makeTempDirectoryScoped({ prefix: "tpm-state-" })
})
