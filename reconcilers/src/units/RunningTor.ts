import { type RelayName, unitOf } from "@patela/domain/relay/RelayName"
import { mergeTorrcs } from "@patela/domain/torrc/merge"
import { parseTorrc } from "@patela/domain/torrc/parse"
import { renderTorrc } from "@patela/domain/torrc/render"
import { Context, Duration, Effect, Layer, Option, Result, Schema } from "effect"
import * as fs from "node:fs/promises"
import { commandTor, INSTANCES_RUNTIME } from "../host/ControlSocket.ts"
import { torrcFileOf } from "../host/HostPaths.ts"
import { declareFamily, readBurst } from "./declareFamily.ts"
import { hasOtherFamilies, loadedFrom, type LoadedTorrc } from "./LoadedTorrc.ts"

/** A running tor did not take a changed torrc, or not all that goes with it. `message` has tor's own words. */
export class TorRefused extends Schema.TaggedError<TorRefused>()("TorRefused", {
  relay: Schema.String,
  message: Schema.String
}) {}

/** tor opens its listeners before it answers; a busy one takes its time. */
const PATIENCE = Duration.seconds(30)

/** Changes what a running tor has, over its control socket. */
export class RunningTor extends Context.Service<RunningTor, {
  /**
   * Has it take its torrc as it is on disk, by one command, all of it or nothing, and without a signal. Where other
   * families are declared than in `loaded`, which it has now, authorities hear of it in seconds. Gives what it has then;
   * none where there is no socket or no such file, and then nothing was done.
   */
  readonly take: (relay: RelayName, loaded: LoadedTorrc) => Effect.Effect<Option.Option<LoadedTorrc>, TorRefused>
}>()("@patela/reconcilers/units/RunningTor") {
  /** Sockets of instances and their defaults are in `root`. */
  static readonly layerAt = (root: string): Layer.Layer<RunningTor> =>
    Layer.succeed(
      RunningTor,
      RunningTor.of({
        take: Effect.fn("RunningTor.take")(function*(relay: RelayName, loaded: LoadedTorrc) {
          const texts = yield* Effect.option(Effect.tryPromise(() =>
            Promise.all([torrcFileOf(relay), `${root}/${relay}.defaults`].map((path) => fs.readFile(path, "utf8")))
          ))
          if (Option.isNone(texts)) {
            return Option.none()
          }
          const [torrc = "", defaults = ""] = texts.value
          const command = loadCommand({ torrc, defaults })
          if (command === undefined) {
            return Option.none()
          }
          const folder = `${root}/${relay}`
          const content = loadedFrom(torrc)
          return yield* Effect.gen(function*() {
            const before = hasOtherFamilies(loaded, content) ? yield* readBurst(folder, PATIENCE) : undefined
            yield* commandTor(folder, command, PATIENCE)
            if (before !== undefined) {
              yield* declareFamily(folder, before, PATIENCE).pipe(
                Effect.mapError(({ message }) =>
                  undeclared(relay, message)
                )
              )
            }
            return Option.some(content)
          }).pipe(
            Effect.catchTags({
              ControlAway: () => Effect.succeedNone,
              ControlRefused: ({ message }) =>
                Effect.andThen(
                  Effect.ignore(commandTor(folder, LISTEN_AGAIN, PATIENCE)),
                  Effect.fail(refused(relay, message))
                )
            })
          )
        })
      })
    )

  static readonly layer = RunningTor.layerAt(INSTANCES_RUNTIME)
}

/**
 * A tor that cannot open a port takes its options back, but has closed the old port by then and looks after it once a
 * minute (tor source, retry_all_listeners). Any option that is set has it look now; this one has its default.
 */
const LISTEN_AGAIN = "SETCONF __ReloadTorrcOnSIGHUP=1"

/**
 * What has tor read a torrc as it would read the file (control-spec, LOADCONF), or undefined where that is none. tor leaves
 * the instance's defaults out of what comes by this command, so they are put beneath here. Pure.
 */
export const loadCommand = (
  { defaults, torrc }: { readonly torrc: string; readonly defaults: string }
): string | undefined => {
  const [beneath, above] = [parseTorrc(defaults), parseTorrc(torrc)]
  if (Result.isFailure(beneath) || Result.isFailure(above)) return undefined
  const text = renderTorrc(mergeTorrcs([beneath.success.lines, above.success.lines]))
  // A line of one dot ends the text; no option begins with one.
  return `+LOADCONF\r\n${text.replaceAll("\n", "\r\n")}.`
}

const refused = (relay: RelayName, why: string): TorRefused =>
  new TorRefused({
    relay,
    message: `the running tor of ${relay} did not take its changed torrc, and goes on as before: ${why}. ` +
      `Look at: journalctl -u ${unitOf(relay).replace(/\.service$/, "")}`
  })

const undeclared = (relay: RelayName, why: string): TorRefused =>
  new TorRefused({
    relay,
    message: `the running tor of ${relay} took its changed torrc, but was not told to declare its family: ${why}`
  })
