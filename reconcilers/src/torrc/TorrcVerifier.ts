import type { RelayName } from "@patela/domain/relay/RelayName"
import { Context, Effect, Layer, Schema } from "effect"
import * as fs from "node:fs/promises"
import { HostCommand } from "../host/HostCommand.ts"
import { INSTANCE_DEFAULTS, RUNTIME_DIRECTORY, torrcFileOf } from "../host/HostPaths.ts"
import { OWNER, sweepDead } from "../host/SweepDead.ts"
import { causeText } from "../host/SystemError.ts"

/** Tor would not start with this torrc, or could not be asked. `message` holds tor's own words. */
export class TorrcRefused extends Schema.TaggedError<TorrcRefused>()("TorrcRefused", {
  relay: Schema.String,
  message: Schema.String
}) {}

/** Milliseconds that tor gets; it takes 10, and more when the machine is busy. */
const PATIENCE = 30_000

/** Asks tor itself whether it would take a torrc. The relay's account must be there. */
export class TorrcVerifier extends Context.Service<TorrcVerifier, {
  readonly verify: (relay: RelayName, content: string) => Effect.Effect<void, TorrcRefused>
}>()("@patela/reconcilers/torrc/TorrcVerifier") {
  /**
   * As tor@.service does before it starts, with the same defaults. The candidate is in a directory that root alone can
   * enter, on a tmpfs: it may hold secrets, and an agent that is killed here leaves nothing in the instance, and what it leaves the next one sweeps away.
   */
  static readonly layer: Layer.Layer<TorrcVerifier, never, HostCommand> = Layer.effect(
    TorrcVerifier,
    Effect.gen(function*() {
      const command = yield* HostCommand
      const verify = Effect.fn("TorrcVerifier.verify")(function*(relay: RelayName, content: string) {
        const trying = <A>(work: () => Promise<A>): Effect.Effect<A, TorrcRefused> =>
          Effect.tryPromise({
            try: work,
            catch: (cause) =>
              new TorrcRefused({ relay, message: `the torrc of ${relay} could not be verified: ${causeText(cause)}` })
          })
        const directory = yield* Effect.acquireRelease(
          trying(makeScratch),
          (path) => Effect.promise(() => fs.rm(path, { recursive: true, force: true }))
        )
        const [candidate, defaults] = [`${directory}/torrc`, `${directory}/defaults`]
        yield* trying(async () => {
          const template = await fs.readFile(INSTANCE_DEFAULTS, "utf8")
          await fs.writeFile(defaults, template.replaceAll("@@NAME@@", relay), { mode: 0o600 })
          await fs.writeFile(candidate, content, { mode: 0o600 })
        })
        const args = ["--verify-config", "--defaults-torrc", defaults, "-f", candidate]
        const { exitCode, stderr, stdout } = yield* Effect.mapError(
          command.attempt("tor", args, { timeout: PATIENCE }),
          ({ message }) =>
            new TorrcRefused({ relay, message: `the torrc of ${relay} could not be verified: ${message}` })
        )
        if (exitCode === 0) return
        const said = complaintIn(`${stdout}\n${stderr}`).replaceAll(candidate, torrcFileOf(relay))
        return yield* new TorrcRefused({
          relay,
          message: `tor refuses the new torrc of ${relay}, so the one in place stays: ${
            said || `exit code ${exitCode}`
          }`
        })
      }, Effect.scoped)
      return TorrcVerifier.of({ verify })
    })
  )
}

const makeScratch = async (): Promise<string> => {
  await fs.mkdir(RUNTIME_DIRECTORY, { recursive: true, mode: 0o700 })
  await sweepDead(RUNTIME_DIRECTORY, "directories", /^verify-(\d+)-/)
  return fs.mkdtemp(`${RUNTIME_DIRECTORY}/verify-${OWNER}-`)
}

/** The longest complaint that goes into a message, in characters. */
const LONGEST = 600

/** Tor's warnings and errors without their times: `Nov 24 04:00:00.000 [warn] Unknown option 'X'.  Failing.` */
export const complaintIn = (output: string): string =>
  output.split("\n")
    .flatMap((line) => /\[(?:warn|err)\] (.*)$/.exec(line)?.[1]?.trim() ?? [])
    .join("; ")
    .replaceAll(/[^\P{C} ]/gu, "?")
    .slice(0, LONGEST)
