import { Console, Duration, Effect, Schema } from "effect"
import { loadavg } from "node:os"
import { bundle } from "../scripts/package.ts"
import { fault, MissionFault } from "../test/src/mission/Mission.ts"
import { links, relayNetwork } from "../test/src/rig/Addresses.ts"
import { runOk } from "../test/src/rig/Command.ts"
import { repositoryRoot } from "../test/src/rig/Repository.ts"
import type { Bench } from "./Bench.ts"
import { times } from "./host.ts"
import { runAnsible } from "./host64/AnsibleRun.ts"
import { driftDetail, idleDetail, passDetail } from "./host64/detail.ts"
import { DriftFigures, DriftOrder } from "./host64/DriftFigures.ts"
import { idle, TRACED_WINDOW } from "./host64/idle.ts"
import { inside, insideRun } from "./host64/insideRun.ts"
import { insideFolder, makeNode64, type Node64 } from "./host64/Node64.ts"
import { PassFigures } from "./host64/PassFigures.ts"
import { putStandIns } from "./host64/standIn.ts"
import { atLeast, below, median, none, percentile, plain, type Row } from "./Row.ts"

const HOUR = Duration.toSeconds(Duration.hours(1))

/** A hundredth of one processor counts as next to nothing; seconds an hour. */
const NEXT_TO_NO_CPU = HOUR / 100

const ROUNDS = 8
const PER_ROUND = 4

const encodeOrder = Schema.encodeSync(DriftOrder)

/** With the watching agent stopped: a bare TPM serves one client. */
const alone = <A, E, R>({ mission: { node } }: Node64, effect: Effect.Effect<A, E, R>) =>
  Effect.andThen(
    fault(node.execOk(["systemctl", "stop", "patela-agent-watch.service"], { within: "3 minutes" })),
    effect
  )

/** Nothing that follows means anything on a node that is not as configured. */
const inSync = Effect.fnUntraced(function*(node64: Node64) {
  const diff = yield* alone(node64, node64.mission.agent("diff"))
  if (diff.exitCode === 0) return
  return yield* new MissionFault({ message: `the node is not as configured: ${diff.stdout}${diff.stderr}` })
})

/** As the watching agent's unit has Node run; TypeScript needs a compiler, so this script is made JavaScript first. */
const AS_WATCHING = ["--jitless", "--max-semi-space-size=1"] as const

const takePasses = Effect.fnUntraced(function*(node64: Node64) {
  const script = `${repositoryRoot}/dist/bench/passes.cjs`
  yield* fault(bundle(`${insideFolder}/passes.ts`, script))
  const argv = [...AS_WATCHING, script]
  const figures = yield* alone(node64, insideRun(node64.mission, argv, PassFigures, "10 minutes"))
  yield* Console.error(passDetail(figures))
  return [below("host64.noop_pass_ms", median(figures.spaced), "ms", 50)]
})

const takeDiff = Effect.fnUntraced(function*(node64: Node64) {
  return [below("host64.diff_process_ms", yield* alone(node64, times(node64.mission, "diff")), "ms", 300)]
})

const takeDrift = Effect.fnUntraced(function*({ mission, relays }: Node64) {
  const order = encodeOrder({
    relays,
    link: links.relay,
    prefixV4: relayNetwork.prefixV4,
    prefixV6: relayNetwork.prefixV6,
    gatewayV4: relayNetwork.gatewayV4,
    gatewayV6: relayNetwork.gatewayV6,
    seed: 64,
    rounds: ROUNDS,
    perRound: PER_ROUND
  })
  const figures = yield* insideRun(mission, [inside("drift"), order], DriftFigures, "60 minutes")
  yield* Console.error(driftDetail(figures))
  // What was not repaired in time counts with that time, and what was given up as often as it would have been tried.
  const all = figures.kinds.flatMap(({ givenUp, missed, ms }) => {
    const late = givenUp ? ROUNDS * PER_ROUND - ms.length : missed
    return [...ms, ...Array.from({ length: late }, () => figures.limitMs)]
  })
  return [
    below("host64.drift_p50_ms", percentile(all, 50), "ms", 50),
    below("host64.drift_p99_ms", percentile(all, 99), "ms", 250)
  ]
})

const takeIdle = Effect.fnUntraced(function*({ mission }: Node64) {
  const figures = yield* idle(mission)
  yield* Console.error(idleDetail(figures))
  const { seen, traced } = figures
  return [
    none(
      "host64.idle_writes",
      seen.differences.length + seen.kernelEvents + seen.journalLines + traced.written.length,
      "in 2 windows"
    ),
    plain("host64.idle_spawns", traced.started.length * HOUR / Duration.toSeconds(TRACED_WINDOW), "an hour"),
    below("host64.idle_cpu_s_per_h", seen.cpuSeconds * HOUR / seen.seconds, "s", NEXT_TO_NO_CPU),
    below("host64.agent_rss_mib", seen.agentMib, "MiB", 80)
  ]
})

/** Both as processes: of the agent a reconcile with nothing to do. */
const takeAnsible = Effect.fnUntraced(function*(node64: Node64) {
  const agent = yield* alone(node64, times(node64.mission, "reconcile"))
  const { seconds, version } = yield* runAnsible(node64.mission, node64.relays)
  yield* inSync(node64)
  yield* Console.error(`  ansible-core ${version}: ${seconds.toFixed(1)} s; patela-agent reconcile: ${agent} ms`)
  return [atLeast("host64.ansible_noop_ratio", seconds * 1000 / agent, "times", 100)]
})

/** A figure that could not be taken costs the others nothing, and the run its success. */
const leftOut = Effect.fnUntraced(function*(rows: ReadonlyArray<string>, message: string) {
  yield* Console.error(`not taken: ${rows.join(", ")}: ${message}`)
  yield* Effect.sync(() => {
    process.exitCode = 1
  })
  return []
})

/** The agent on a node that runs 64 relays. Makes the Debian root that has Ansible where it is not there yet. */
export const host64: Bench = {
  names: [
    "host64.noop_pass_ms",
    "host64.diff_process_ms",
    "host64.first_convergence_s",
    "host64.drift_p50_ms",
    "host64.drift_p99_ms",
    "host64.idle_writes",
    "host64.idle_spawns",
    "host64.idle_cpu_s_per_h",
    "host64.agent_rss_mib",
    "host64.ansible_noop_ratio"
  ],
  needsRoot: true,
  run: Effect.fnUntraced(function*(wanted) {
    yield* runOk([`${repositoryRoot}/scripts/setup.sh`, "bench"], { within: "10 minutes" })
    const node64 = yield* makeNode64
    const first: ReadonlyArray<Row> = [plain("host64.first_convergence_s", node64.firstSeconds, "s")]
    yield* putStandIns(node64.mission)
    yield* inSync(node64)
    const stages = [
      { rows: ["host64.noop_pass_ms"], take: takePasses },
      { rows: ["host64.diff_process_ms"], take: takeDiff },
      { rows: ["host64.drift_p50_ms", "host64.drift_p99_ms"], take: takeDrift },
      {
        rows: ["host64.idle_writes", "host64.idle_spawns", "host64.idle_cpu_s_per_h", "host64.agent_rss_mib"],
        take: takeIdle
      },
      { rows: ["host64.ansible_noop_ratio"], take: takeAnsible }
    ].filter(({ rows }) => rows.some(wanted))
    const taken = yield* Effect.forEach(stages, ({ rows, take }) =>
      Effect.gen(function*() {
        yield* Console.error(`... ${rows.join(", ")} (load of this machine: ${loadavg()[0]?.toFixed(1) ?? "?"})`)
        return yield* take(node64)
      }).pipe(Effect.catch(({ message }) => leftOut(rows, message))))
    return [...first, ...taken.flat()]
  })
}
