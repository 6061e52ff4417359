import { spawn } from "node:child_process"
import { performance } from "node:perf_hooks"
import { createInterface } from "node:readline"
import { setTimeout } from "node:timers/promises"

/** A program that prints a line or more for each change of the kernel's tables, and when each of them arrived here. */
export class KernelMonitor {
  readonly #arrivals: Array<number> = []
  #wake: () => void = () => undefined

  /** Listens when this resolves, as far as half a second tells. */
  static async start(program: string, ...args: ReadonlyArray<string>): Promise<KernelMonitor> {
    const monitor = new KernelMonitor()
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] })
    process.once("exit", () => child.kill("SIGKILL"))
    createInterface({ input: child.stdout }).on("line", () => {
      monitor.#arrivals.push(performance.now())
      monitor.#wake()
    })
    await setTimeout(500)
    return monitor
  }

  /** Lines so far. */
  get count(): number {
    return this.#arrivals.length
  }

  /** When a line arrived, on the clock of `performance.now()`. */
  arrival(index: number): number {
    const time = this.#arrivals[index]
    if (time === undefined) throw new Error(`the monitor has written ${this.count} lines, not ${index + 1}`)
    return time
  }

  /** Waits until there are more lines than `count`, and says whether there are in time. */
  async moreThan(count: number, milliseconds: number): Promise<boolean> {
    if (this.count > count) return true
    const late = new AbortController()
    await Promise.race([
      new Promise<void>((resolve) => {
        this.#wake = resolve
      }),
      setTimeout(Math.max(0, milliseconds), undefined, { signal: late.signal })
    ])
    late.abort()
    return this.count > count
  }
}
