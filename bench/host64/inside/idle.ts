import { Schema } from "effect"
import { readdirSync, readFileSync } from "node:fs"
import { performance } from "node:perf_hooks"
import { setTimeout } from "node:timers/promises"
import { IdleFigures } from "../IdleFigures.ts"
import { KernelMonitor } from "./KernelMonitor.ts"
import { outputOf } from "./Program.ts"

/**
 * Runs on the node beside the watching agent and looks at it for so many seconds (its one argument) while nothing happens.
 * Prints IdleFigures.
 */
const WATCH = "patela-agent-watch.service"

/** USER_HZ of Linux: the ticks of /proc/PID/stat (proc(5)). */
const TICKS = 100

const MIB = 1024

const parentOf = (pid: number): number | undefined => {
  try {
    return Number(fieldsOf(pid)[1])
  } catch {
    return undefined
  }
}

/** The fields of /proc/PID/stat after the name, which may hold blanks and brackets: [0] is the state (proc(5), field 3). */
const fieldsOf = (pid: number): ReadonlyArray<string> => {
  const text = readFileSync(`/proc/${pid}/stat`, "utf8")
  return text.slice(text.lastIndexOf(")") + 2).split(" ")
}

/** A process and all that descend from it. */
const familyOf = (root: number): ReadonlyArray<number> => {
  const parents = new Map(
    readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map((name) => [Number(name), parentOf(Number(name))])
  )
  const family = new Set([root])
  for (let before = 0; before !== family.size;) {
    before = family.size
    for (const [pid, parent] of parents) if (parent !== undefined && family.has(parent)) family.add(pid)
  }
  return [...family]
}

/** utime, stime, cutime, cstime: of those that live, and through them of those that ended and were waited for. */
const cpuSecondsOf = (root: number): number =>
  familyOf(root).reduce((sum, pid) => {
    try {
      return sum + fieldsOf(pid).slice(11, 15).reduce((ticks, field) => ticks + Number(field), 0) / TICKS
    } catch {
      return sum
    }
  }, 0)

const residentMib = (pid: number): number => {
  try {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / MIB
  } catch {
    return 0
  }
}

/** All that the agent could write to, with the times of files: two that are equal mean that nothing was written. */
const FOOTPRINT: ReadonlyArray<readonly [string, ...ReadonlyArray<string>]> = [
  ["find", "/etc", "/run/patela", "/run/systemd/system", "-printf", "%p %m %u %g %s %T@ %i\n"],
  ["find", "/var/lib/tor-instances", "-maxdepth", "2", "-printf", "%p %m %u %g %T@ %i\n"],
  ["find", "/var/lib/tor-instances", "-name", "*secret_key", "-printf", "%p %m %u %g %s %T@ %i\n"],
  ["nft", "--handle", "list", "ruleset"],
  ["ip", "address", "show"],
  ["ip", "rule"],
  ["ip", "-6", "rule"],
  ["ip", "route", "show", "table", "all"],
  ["ip", "-6", "route", "show", "table", "all"],
  [
    "sysctl",
    "--all",
    "--pattern",
    "^net\\.(ipv4\\.ip_local|core\\.somaxconn|ipv[46]\\.conf|netfilter\\.nf_conntrack_(max|buckets))"
  ],
  ["systemctl", "show", "--property=Id,InvocationID,MainPID,ExecMainStartTimestamp", "tor@*"]
]

const footprint = async (): Promise<ReadonlySet<string>> => {
  const texts = await Promise.all(FOOTPRINT.map(([program, ...args]) => outputOf(program, args)))
  // Times that IPv6 routes and addresses have still to live count down by themselves.
  return new Set(
    texts.flatMap((text) => text.replaceAll(/expires \d+sec|(?:valid|preferred)_lft \d+sec/g, "").split("\n"))
  )
}

const seconds = Number(process.argv[2])
const agent = Number(await outputOf("systemctl", ["show", "--property=MainPID", "--value", WATCH]))
if (!(agent > 0)) throw new Error(`${WATCH} does not run`)
const monitors = [
  await KernelMonitor.start("ip", "monitor", "link", "address", "route", "rule"),
  await KernelMonitor.start("nft", "monitor")
]
const before = await footprint()
const events = monitors.reduce((sum, { count }) => sum + count, 0)
const since = `@${(Date.now() / 1000).toFixed(3)}`
const cpu = cpuSecondsOf(agent)
const began = performance.now()
let agentMib = 0
let monitorsMib = 0
while (performance.now() - began < seconds * 1000) {
  agentMib = Math.max(agentMib, residentMib(agent))
  // Half-way between two looks only what stays is there.
  monitorsMib = familyOf(agent).filter((pid) => pid !== agent).reduce((sum, pid) => sum + residentMib(pid), 0)
  await setTimeout(1000)
}
const took = (performance.now() - began) / 1000
const cpuSeconds = cpuSecondsOf(agent) - cpu
const kernelEvents = monitors.reduce((sum, { count }) => sum + count, 0) - events
const after = await footprint()
const journal = await outputOf("journalctl", [
  "--no-pager",
  "--quiet",
  "--output=cat",
  `--since=${since}`,
  `--unit=${WATCH}`
])
process.stdout.write(
  Schema.encodeSync(IdleFigures)({
    seconds: took,
    cpuSeconds,
    agentMib,
    monitorsMib,
    differences: [
      ...[...before].filter((line) => !after.has(line)).map((line) => `- ${line}`),
      ...[...after].filter((line) => !before.has(line)).map((line) => `+ ${line}`)
    ],
    kernelEvents,
    journalLines: journal.split("\n").filter((line) => line !== "").length
  })
)
// The monitors would keep it alive.
process.exit(0)
