import { Config, Context, Duration, Effect, Layer, Option, Ref } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"

/** systemd gives up on a message after this long. */
const PATIENCE = Duration.seconds(5)

/**
 * Tells systemd how the service is (sd_notify(3)). Node has no unix datagram sockets, so systemd-notify(1) speaks for it;
 * the unit says `NotifyAccess=all`. Without a unit around the agent nothing is said.
 */
export class ServiceNotify extends Context.Service<ServiceNotify, {
  /** `READY=1`, `STATUS=...`, `WATCHDOG=1`, `STOPPING=1`: several in one message. */
  readonly say: (...variables: ReadonlyArray<string>) => Effect.Effect<void>
  /** `STATUS=` with a line for a person, where it differs from the last one. */
  readonly status: (line: string) => Effect.Effect<void>
  /** How long the unit waits for a sign of life, where it does. */
  readonly watchdog: Option.Option<Duration.Duration>
}>()("@patela/agent/host/ServiceNotify") {
  static readonly layer = Layer.effect(
    ServiceNotify,
    Effect.gen(function*() {
      const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
      const socket = yield* Effect.orDie(Config.option(Config.String("NOTIFY_SOCKET")))
      const microseconds = yield* Effect.orDie(Config.option(Config.Int("WATCHDOG_USEC")))
      const say = Effect.fn("ServiceNotify.say")(function*(...variables: ReadonlyArray<string>) {
        if (Option.isNone(socket)) return
        yield* spawner.exitCode(
          ChildProcess.make("systemd-notify", [...variables], {
            env: { NOTIFY_SOCKET: socket.value, PATH: "/usr/bin:/bin" },
            extendEnv: false,
            stdin: "ignore",
            stdout: "ignore",
            stderr: "ignore",
            killSignal: "SIGKILL"
          })
        ).pipe(
          Effect.timeout(PATIENCE),
          // Whoever is not told will find out by the watchdog.
          Effect.ignore
        )
      })
      const last = yield* Ref.make("")
      const status = Effect.fnUntraced(function*(line: string) {
        if ((yield* Ref.getAndSet(last, line)) !== line) yield* say(`STATUS=${line}`)
      })
      return ServiceNotify.of({
        say,
        status,
        watchdog: Option.map(microseconds, (count) => Duration.millis(count / 1000))
      })
    })
  )
}
