import { Context, Deferred, Effect, Layer, PubSub, RcMap, Schedule, Schema, Stream } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import { listensToKernel } from "./NetlinkSockets.ts"
import { PLAIN_ENVIRONMENT } from "./PlainEnvironment.ts"

/** A monitor is no longer running, or never came to listen. Events since then are lost. */
export class MonitorEnded extends Schema.TaggedError<MonitorEnded>()("MonitorEnded", {
  program: Schema.String,
  message: Schema.String
}) {}

/**
 * `listening`: from now on every event is told, and nothing is known of what was before. `line`: the program wrote it.
 * `lost`: the kernel dropped events (ENOBUFS, netlink(7)), or the program complained of something.
 */
export type MonitorEvent =
  | { readonly event: "listening" }
  | { readonly event: "line"; readonly text: string }
  | { readonly event: "lost" }

/** A program and its arguments. */
export type MonitorCommand = readonly [program: string, ...args: ReadonlyArray<string>]

/**
 * What a line says when the kernel had no room for an event: ip writes `netlink receive error No buffer space available`
 * to standard error (iproute2 6.1, libnetlink.c), nft `# ERROR: We lost some netlink events!` (nftables 1.0.6, mnl.c).
 */
const LOSS = /No buffer space available|lost some netlink events/

/** Milliseconds between two looks whether a monitor listens, and until it has to. */
const LOOK = 5
const START = 5000

/** Events that wait for a slow reader; then the program is not read, its socket runs full, and it says that it lost some. */
const CAPACITY = 256

/** The longest piece of a program's complaints that goes into a message. */
const COMPLAINT = 500

/**
 * Runs programs that print events of the kernel for as long as somebody listens: `ip monitor`, `nft monitor`. Who wants
 * the same command shares one process. It is killed when nobody listens, and by the kernel when the agent dies however it
 * dies (setpriv(1) `--pdeathsig`, prctl(2)). Nothing runs before a stream does.
 */
export class HostMonitor extends Context.Service<HostMonitor, {
  /** Begins with `listening`, and fails when the program ends: it never ends by itself. */
  readonly events: (...command: MonitorCommand) => Stream.Stream<MonitorEvent, MonitorEnded>
}>()("@patela/reconcilers/host/HostMonitor") {
  /** Runs every program behind `prefix`, such as `ip netns exec NAME`. */
  static readonly layerBehind = (prefix: ReadonlyArray<string>) =>
    Layer.effect(HostMonitor, Effect.suspend(() => make(prefix)))

  static readonly layer: Layer.Layer<HostMonitor, never, ChildProcessSpawner.ChildProcessSpawner> = HostMonitor
    .layerBehind([])
}

interface Running {
  readonly events: PubSub.PubSub<MonitorEvent>
  readonly ended: Deferred.Deferred<never, MonitorEnded>
}

const make = Effect.fnUntraced(function*(prefix: ReadonlyArray<string>) {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const monitors = yield* RcMap.make({
    lookup: (command: MonitorCommand) =>
      start(prefix, command).pipe(Effect.provideService(ChildProcessSpawner.ChildProcessSpawner, spawner))
  })

  /** One that has ended may still be held by another reader that did not notice yet. */
  const current = Effect.fnUntraced(function*(command: MonitorCommand) {
    const running = yield* RcMap.get(monitors, command)
    if (!(yield* Deferred.isDone(running.ended))) return running
    yield* RcMap.invalidate(monitors, command)
    return yield* RcMap.get(monitors, command)
  })

  const events = (...command: MonitorCommand) =>
    Stream.unwrap(Effect.gen(function*() {
      const running = yield* current(command)
      const subscription = yield* PubSub.subscribe(running.events)
      return Stream.make<[MonitorEvent]>({ event: "listening" }).pipe(
        Stream.concat(Stream.fromSubscription(subscription)),
        Stream.interruptWhen(Deferred.await(running.ended))
      )
    }))

  return HostMonitor.of({ events })
})

/** Starts a program and waits until it listens. */
const start = Effect.fn("HostMonitor.start")(function*(prefix: ReadonlyArray<string>, command: MonitorCommand) {
  const [program, ...args] = command
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const handle = yield* spawner.spawn(
    ChildProcess.make("setpriv", ["--pdeathsig", "KILL", ...prefix, program, ...args], {
      env: PLAIN_ENVIRONMENT,
      extendEnv: false,
      stdin: "ignore",
      killSignal: "SIGKILL"
    })
  ).pipe(Effect.mapError(({ message }) => endedOf(program, `could not be started: ${message}`)))
  const events = yield* PubSub.bounded<MonitorEvent>(CAPACITY)
  const ended = yield* Deferred.make<never, MonitorEnded>()
  let complaint = ""

  const output = handle.stdout.pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.map((text): MonitorEvent => LOSS.test(text) ? { event: "lost" } : { event: "line", text })
  )
  const complaints = handle.stderr.pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.map((text): MonitorEvent => {
      complaint = `${complaint} ${text.trim()}`.slice(0, COMPLAINT)
      return { event: "lost" }
    })
  )
  yield* Stream.merge(output, complaints).pipe(
    Stream.runForEachArray((some) => PubSub.publishAll(events, some)),
    Effect.andThen(handle.exitCode),
    Effect.matchCauseEffect({
      // A program that was killed by a signal has no exit code.
      onFailure: () => Deferred.fail(ended, endedOf(program, `was killed${complaint}`)),
      onSuccess: (code) => Deferred.fail(ended, endedOf(program, `ended with code ${code}:${complaint}`))
    }),
    Effect.forkScoped
  )
  yield* Effect.promise(() => listensToKernel(handle.pid).catch(() => false)).pipe(
    Effect.repeat({ until: (listens) => listens, schedule: Schedule.spaced(LOOK) }),
    Effect.timeoutOrElse({
      duration: START,
      orElse: () => Effect.fail(endedOf(program, `did not begin to listen to the kernel in ${START / 1000} s`))
    }),
    Effect.raceFirst(Deferred.await(ended))
  )
  return { events, ended } satisfies Running
})

const endedOf = (program: string, how: string): MonitorEnded =>
  new MonitorEnded({ program, message: `the monitor ${program} ${how}` })
