import { Context, Effect, Layer, PubSub, Schedule, Schema } from "effect"
import { type BusFailed, MANAGER, MANAGER_PATH, SystemBus } from "../host/SystemBus.ts"
import { numberProperty, textProperty } from "../host/UnitProperties.ts"

/** A unit did not become what it was asked to be. `message` says what systemd said and where to look. */
export class UnitJobFailed extends Schema.TaggedError<UnitJobFailed>()("UnitJobFailed", {
  unit: Schema.String,
  /** systemd's result of the job, such as `failed` or `timeout`; null where there was no result. */
  result: Schema.NullOr(Schema.String),
  message: Schema.String
}) {}

const ObjectPath = Schema.Tuple([Schema.String])
const decodePath = Schema.decodeUnknownEffect(ObjectPath)
/** Job's number, its path, its unit, its result (org.freedesktop.systemd1(5), JobRemoved). */
const isJobRemoved = Schema.is(Schema.Tuple([Schema.Number, Schema.String, Schema.String, Schema.String]))

/**
 * Seconds to wait for a job. A relay asked to stop waits for its clients first: 30 s (tor manual, ShutdownWaitLength);
 * its unit gives it 60 s. A start of many relays at once is slow on a small node.
 */
const PATIENCE = { StartUnit: 180, StopUnit: 90, RestartUnit: 270, ReloadOrRestartUnit: 60 } as const
type Job = keyof typeof PATIENCE

/** How long after a reload tor must be seen to live, in looks of 25 ms. tor needs about 10 ms to take a torrc or die. */
const SETTLED = 12

/** Whether systemd is first to forget that the unit failed and how often it was started (ResetFailedUnit). */
export type Manner = "forgiven" | "as it is"

/** Changes units, waits for systemd's word on it, and checks the word. */
export class SystemdWriter extends Context.Service<SystemdWriter, {
  /** Also out of a failed state, unless systemd's limit of starts (StartLimitBurst=) holds. */
  readonly start: (unit: string, how: Manner) => Effect.Effect<void, UnitJobFailed>
  readonly restart: (unit: string, how: Manner) => Effect.Effect<void, UnitJobFailed>
  /** Has the running process read its configuration again, and sees it live on. */
  readonly reload: (unit: string) => Effect.Effect<void, UnitJobFailed>
  /** Until it is inactive; takes 30 s for a relay with clients. */
  readonly stop: (unit: string) => Effect.Effect<void, UnitJobFailed>
}>()("@patela/reconcilers/units/SystemdWriter") {
  static readonly layer: Layer.Layer<SystemdWriter, never, SystemBus> = Layer.effect(
    SystemdWriter,
    Effect.gen(function*() {
      const bus = yield* SystemBus

      const manager = (member: string, signature: string, body: ReadonlyArray<unknown>) =>
        bus.call({ path: MANAGER_PATH, interface: MANAGER, member, signature, body })

      const pathOf = Effect.fnUntraced(function*(member: string, signature: string, body: ReadonlyArray<unknown>) {
        const [path] = yield* Effect.flatMap(manager(member, signature, body), (reply) => decodePath(reply))
        return path
      })

      const processOf = Effect.fnUntraced(function*(unit: string) {
        const path = yield* pathOf("LoadUnit", "s", [unit])
        const active = yield* textProperty(bus, path, "Unit", "ActiveState")
        return { active, pid: yield* numberProperty(bus, path, "Service", "MainPID") }
      })

      /** A failed unit, and when it last began to start; undefined for one in any other state. */
      const failureOf = Effect.fnUntraced(function*(unit: string) {
        const path = yield* pathOf("LoadUnit", "s", [unit])
        if ((yield* textProperty(bus, path, "Unit", "ActiveState")) !== "failed") return undefined
        return yield* numberProperty(bus, path, "Unit", "InactiveExitTimestamp")
      }, Effect.orElseSucceed(() => undefined))

      /** The subscription is there before the job is: a job may end before its answer is read. */
      const run = Effect.fn("SystemdWriter.job")(
        function*(job: Job, unit: string) {
          const before = job === "StartUnit" ? yield* failureOf(unit) : undefined
          const events = yield* bus.events
          const path = yield* pathOf(job, "ss", [unit, "replace"])
          const result = yield* resultOf(events, path).pipe(
            Effect.timeoutOrElse({
              duration: `${PATIENCE[job]} seconds`,
              orElse: () => Effect.succeed("nothing yet")
            })
          )
          if (result === "done") return
          // systemd keeps the result of the failure before (systemd source, service_enter_dead), so that it does not tell
          // a start that it refused from one that failed. One that it refused never began.
          const refused = before !== undefined && (yield* failureOf(unit)) === before
          const why = refused ? START_LIMIT_HIT : yield* whyOf(unit)
          return yield* new UnitJobFailed({
            unit,
            result,
            message: `${unit}: ${WORDS[job]} ended with "${result}"${why}. Look at: journalctl -u ${
              withoutSuffix(unit)
            }`
          })
        },
        Effect.scoped,
        (effect, job, unit) =>
          Effect.catchTags(effect, {
            BusFailed: ({ message }) => Effect.fail(unanswered(unit, job, message)),
            SchemaError: ({ message }) => Effect.fail(unanswered(unit, job, message))
          })
      )

      const whyOf = (unit: string): Effect.Effect<string> =>
        pathOf("LoadUnit", "s", [unit]).pipe(
          Effect.flatMap((path) => textProperty(bus, path, "Service", "Result")),
          Effect.map((result) => (result === "success" ? "" : ` (${result})`)),
          Effect.orElseSucceed(() => "")
        )

      const forgiven = (unit: string) => Effect.ignore(manager("ResetFailedUnit", "s", [unit]))

      const runAs = (job: "StartUnit" | "RestartUnit") => (unit: string, how: Manner) =>
        how === "forgiven" ? Effect.andThen(forgiven(unit), run(job, unit)) : run(job, unit)

      const stop = (unit: string) => Effect.andThen(run("StopUnit", unit), forgiven(unit))

      const reload = Effect.fn("SystemdWriter.reload")(
        function*(unit: string) {
          const before = yield* processOf(unit)
          const outcome = yield* Effect.result(run("ReloadOrRestartUnit", unit))
          const after = yield* processOf(unit)
          if (outcome._tag === "Failure") {
            // Debian's ExecReload is /bin/kill, which a small image lacks: then systemd itself can send the signal.
            if (after.active !== "active" || after.pid !== before.pid) return yield* outcome.failure
            yield* manager("KillUnit", "ssi", [unit, "main", 1])
          }
          // A torrc that tor refuses on SIGHUP kills it, after the job is done.
          const alive = Effect.gen(function*() {
            const now = yield* processOf(unit)
            if (now.pid === before.pid && (now.active === "active" || now.active === "reloading")) return
            return yield* new UnitJobFailed({
              unit,
              result: null,
              message: `${unit} did not live through its reload (${now.active}). Look at: journalctl -u ${
                withoutSuffix(unit)
              }`
            })
          })
          yield* Effect.repeat(alive, { schedule: Schedule.spaced("25 millis"), times: SETTLED })
        },
        (effect, unit) =>
          Effect.catchTags(effect, {
            BusFailed: ({ message }) => Effect.fail(unanswered(unit, "ReloadOrRestartUnit", message)),
            SchemaError: ({ message }) => Effect.fail(unanswered(unit, "ReloadOrRestartUnit", message))
          })
      )

      return SystemdWriter.of({ start: runAs("StartUnit"), restart: runAs("RestartUnit"), reload, stop })
    })
  )
}

const WORDS: Readonly<Record<Job, string>> = {
  StartUnit: "the start",
  StopUnit: "the stop",
  RestartUnit: "the restart",
  ReloadOrRestartUnit: "the reload"
}

const START_LIMIT_HIT =
  " (start-limit-hit: it failed too often in a short time, and systemd did not try; a changed torrc is tried at once)"

const withoutSuffix = (unit: string): string => unit.replace(/\.service$/, "")

const unanswered = (unit: string, job: Job, why: string): UnitJobFailed =>
  new UnitJobFailed({ unit, result: null, message: `${unit}: ${WORDS[job]} could not be seen through: ${why}` })

type Events = Effect.Success<SystemBus["Service"]["events"]>

const resultOf = (events: Events, path: string): Effect.Effect<string, BusFailed> =>
  Effect.gen(function*() {
    while (true) {
      const event = yield* PubSub.take(events)
      if (event.event === "lost") return "unknown, for the connection to systemd was lost"
      if (event.member === "JobRemoved" && isJobRemoved(event.body) && event.body[1] === path) return event.body[3]
    }
  })
