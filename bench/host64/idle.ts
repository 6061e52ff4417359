import { Duration, Effect } from "effect"
import { fault, type Mission, MissionFault } from "../../test/src/mission/Mission.ts"
import { IdleFigures, TRACED, type TracedCalls, tracedCalls } from "./IdleFigures.ts"
import { inside, insideRun } from "./insideRun.ts"

/** How long the agent is looked at, and then how long its system calls are traced, which slows it. */
export const WINDOW = Duration.seconds(180)
export const TRACED_WINDOW = Duration.seconds(140)

const WATCH = "patela-agent-watch.service"
const TRACE = "/run/bench-trace"

/** The watching agent in a node on which nothing happens. */
export interface Idle {
  readonly seen: IdleFigures
  readonly traced: TracedCalls
}

/** In two windows, one after the other: what it costs, and what it does. */
export const idle = Effect.fnUntraced(function*(mission: Mission) {
  const { node } = mission
  yield* node.execOk(["systemctl", "restart", WATCH], { within: "3 minutes" })
  yield* Effect.sleep("20 seconds")
  const seen = yield* insideRun(
    mission,
    [inside("idle"), String(Duration.toSeconds(WINDOW))],
    IdleFigures,
    Duration.sum(WINDOW, Duration.minutes(1))
  )
  const pid = (yield* node.execOk(["systemctl", "show", "--property=MainPID", "--value", WATCH])).trim()
  yield* Effect.scoped(Effect.gen(function*() {
    const trace = yield* node.start([
      "strace",
      "--follow-forks",
      "--string-limit=200",
      `--trace=${TRACED.join(",")}`,
      `--output=${TRACE}`,
      `--attach=${pid}`
    ])
    yield* Effect.sleep(TRACED_WINDOW)
    yield* trace.end("SIGINT")
  }))
  const traced = tracedCalls(yield* node.execOk(["cat", TRACE]))
  // In such a time it has looked at everything twice, by programs as well: a trace without any shows nothing.
  if (traced.started.length === 0) return yield* new MissionFault({ message: "strace saw the agent start no program" })
  return { seen, traced } satisfies Idle
}, fault)
