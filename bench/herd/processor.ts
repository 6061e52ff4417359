import { Effect } from "effect"
import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { availableParallelism } from "node:os"

/** Ticks of the clock that processor times are counted in, a second (sysconf(3), _SC_CLK_TCK). */
const TICKS = 100

/** Seconds that a process took in all of its threads, and its children that ended: user and system (proc_pid_stat(5)). */
const timesOf = (pid: number): { readonly own: number; readonly ended: number } => {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8")
  const [user = 0, system = 0, endedUser = 0, endedSystem = 0] = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
    .slice(11, 15).map(Number)
  return { own: (user + system) / TICKS, ended: (endedUser + endedSystem) / TICKS }
}

/** Seconds of processor time that a process took in all of its threads. */
export const processorOf = (pid: number): Effect.Effect<number> => Effect.sync(() => timesOf(pid).own)

/** The same of a process and its children, those that ended included. */
export const processorOfAll = (pid: number): Effect.Effect<number> =>
  Effect.sync(() => {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").map(Number)
    const { own, ended } = timesOf(pid)
    return children.filter((child) => child > 0).reduce((sum, child) => sum + timesOf(child).own, own + ended)
  })

/** A size of a process in MiB, as proc_pid_status(5) names it: `VmRSS` is that of now, `VmHWM` the most there was. */
export const memoryOf = (pid: number, field: "VmRSS" | "VmHWM"): Effect.Effect<number> =>
  Effect.sync(() => {
    const status = readFileSync(`/proc/${pid}/status`, "utf8")
    return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(status)?.[1] ?? Number.NaN) / 1024
  })

const pin = (pid: number, list: string): void => {
  execFileSync("taskset", ["--all-tasks", "--pid", "--cpu-list", list, String(pid)], { stdio: "ignore" })
}

/** Keeps a process, with all of its threads, on one processor. */
export const pinned = (pid: number, processor: number): Effect.Effect<void> =>
  Effect.sync(() => pin(pid, String(processor)))

/** Keeps this process on one processor until the scope ends. */
export const thisPinned = (processor: number) =>
  Effect.acquireRelease(
    pinned(process.pid, processor),
    () => Effect.sync(() => pin(process.pid, `0-${availableParallelism() - 1}`))
  )
