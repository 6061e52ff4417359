import { Clock, Effect } from "effect"
import { type Mission, Mission as Missions, MissionFault } from "../test/src/mission/Mission.ts"
import { relaysOnRecord } from "../test/src/mission/RelayOnRecord.ts"
import type { Bench } from "./Bench.ts"
import { below, median, plain, type Row } from "./Row.ts"

const RELAYS = 3
const RUNS = 11

/** Runs a command of the agent over and over in the node; wall time seen from outside nsenter, which takes about 3 ms. */
export const times = Effect.fnUntraced(function*(mission: Mission, ...args: ReadonlyArray<string>) {
  const taken: Array<number> = []
  for (let run = 0; run <= RUNS; run++) {
    const began = yield* Clock.currentTimeMillis
    const result = yield* mission.agent(...args)
    if (result.exitCode !== 0) {
      return yield* new MissionFault({ message: `patela-agent ${args.join(" ")}: ${result.stderr}${result.stdout}` })
    }
    taken.push((yield* Clock.currentTimeMillis) - began)
  }
  return median(taken.slice(1))
})

/** Peak resident memory of a no-op reconcile in MiB: the kernel's VmHWM, read every 2 ms until the process is gone. */
const peak = Effect.fnUntraced(function*(mission: Mission) {
  const watcher = `import { spawn } from "node:child_process"; import { readFileSync } from "node:fs"
const child = spawn("/opt/patela/patela-agent", ["reconcile"], { stdio: "ignore" })
let peak = 0
const look = setInterval(() => { try {
  peak = Math.max(peak, Number(/VmHWM:\\s+(\\d+)/.exec(readFileSync("/proc/" + child.pid + "/status", "utf8"))?.[1] ?? 0))
} catch {} }, 2)
child.on("exit", () => { clearInterval(look); console.log(peak) })`
  const text = yield* mission.node.execOk(["/opt/patela/node", "--input-type=module", "--eval", watcher], {
    env: mission.environment,
    within: "1 minute"
  })
  return Number(text) / 1024
})

/** The agent on a real node with three relays. */
export const host: Bench = {
  names: ["host.first_convergence_s", "host.noop_process_ms", "host.diff_process_ms", "agent.peak_mib"],
  needsRoot: true,
  run: () =>
    Effect.gen(function*() {
      const mission = yield* Missions.make({ agentAtBoot: false })
      // The node is enabled beforehand, as on any boot but the first: what a person takes to do it is no figure.
      yield* mission.rig.boot
      yield* mission.agent("reconcile", "--wait", "0")
      yield* mission.patela("node", "set", "1", "relays", String(RELAYS))
      yield* mission.patela("enable", "1")
      yield* mission.rig.powerOff
      const began = yield* Clock.currentTimeMillis
      yield* mission.rig.boot
      const first = yield* mission.agent("reconcile")
      const took = (yield* Clock.currentTimeMillis) - began
      const relays = yield* relaysOnRecord(mission)
      if (first.exitCode !== 0 || relays.length !== RELAYS) {
        return yield* new MissionFault({ message: `no convergence: ${first.stderr}` })
      }
      const rows: ReadonlyArray<Row> = [
        plain("host.first_convergence_s", took / 1000, "s"),
        below("host.noop_process_ms", yield* times(mission, "reconcile"), "ms", 400),
        plain("host.diff_process_ms", yield* times(mission, "diff"), "ms"),
        below("agent.peak_mib", yield* peak(mission), "MiB", 90)
      ]
      return rows
    })
}
