import { performance } from "node:perf_hooks"
import { setTimeout } from "node:timers/promises"
import type { KernelMonitor } from "./KernelMonitor.ts"
import { outputOf } from "./Program.ts"

/** How long a repair may take to count as one, in milliseconds. */
export const LIMIT = 5000

/** Milliseconds from the drift to everything as before, or undefined where that took longer than LIMIT. */
export type Trial = () => Promise<number | undefined>

/**
 * What the kernel keeps in tables: from the first line of a monitor about it to the last one before `look` is as it was.
 * Both are told by the same monitor, so how long it takes to tell cancels out.
 */
export const kernelTrial =
  (monitor: KernelMonitor, look: () => Promise<string>, program: string, args: ReadonlyArray<string>): Trial =>
  async () => {
    const before = await look()
    const quiet = monitor.count
    await outputOf(program, args)
    if (!(await monitor.moreThan(quiet, LIMIT))) throw new Error(`no event came of ${program} ${args.join(" ")}`)
    const began = monitor.arrival(quiet)
    let judged = monitor.count
    while (await monitor.moreThan(judged, began + LIMIT - performance.now())) {
      judged = monitor.count
      // A table that is not there just now is not as it was.
      const now = await look().catch(() => "")
      if (now === before) return monitor.arrival(monitor.count - 1) - began
    }
    return undefined
  }

/** What can be looked at in this process: from the drift itself to the first of looks a millisecond apart that is right. */
export const polledTrial = (drift: () => void, isRight: () => boolean): Trial => async () => {
  const began = performance.now()
  drift()
  if (isRight()) throw new Error("nothing drifted")
  while (performance.now() - began < LIMIT) {
    await setTimeout(1)
    if (isRight()) return performance.now() - began
  }
  return undefined
}

/** systemd's own clock says when the unit left `active` and when it came back (microseconds, CLOCK_MONOTONIC). */
export const unitTrial = (unit: string): Trial => async () => {
  const before = await stampsOf(unit)
  // The agent may cancel the stop by its start, so how systemctl ends is no matter.
  const stop = outputOf("systemctl", ["stop", unit]).catch(() => "")
  const until = performance.now() + LIMIT
  while (performance.now() < until) {
    await setTimeout(25)
    const { active, entered, left } = await stampsOf(unit)
    if (active && left > before.left && entered > left) {
      await stop
      return (entered - left) / 1000
    }
  }
  await stop
  return undefined
}

const stampsOf = async (unit: string) => {
  const properties = "ActiveState,ActiveEnterTimestampMonotonic,ActiveExitTimestampMonotonic"
  const text = await outputOf("systemctl", ["show", `--property=${properties}`, unit])
  const value = (name: string) => new RegExp(`^${name}=(.*)$`, "m").exec(text)?.[1] ?? ""
  return {
    active: value("ActiveState") === "active",
    entered: Number(value("ActiveEnterTimestampMonotonic")),
    left: Number(value("ActiveExitTimestampMonotonic"))
  }
}
