import { Effect, Option } from "effect"
import type { BackgroundProcess } from "./BackgroundProcess.ts"
import type { Argv, CommandFault, CommandResult } from "./Command.ts"
import { type DeadlineOptions, found, instead, waitFor } from "./Deadline.ts"
import { NodeDidNotBoot, type NodeIsOff } from "./NodeFault.ts"

/** When a boot counts as done: everything was started, or only what everything else builds on. */
export type BootedWhen = "running" | "basic"

/** What systemd says of itself once it is so far. */
const QUESTIONS = {
  running: ["systemctl", "is-system-running"],
  basic: ["systemctl", "is-active", "basic.target"]
} as const satisfies Record<BootedWhen, Argv>

/** What is waited for of a node that boots; `machine` is the process that it is. */
export const booting = (node: string, machine: BackgroundProcess) => {
  const failIfEnded = Effect.gen(function*() {
    const ended = yield* machine.ended
    if (Option.isNone(ended)) return
    const console = (yield* machine.lines).slice(-20)
    return yield* new NodeDidNotBoot({ node, exitCode: ended.value, console })
  })
  /** What it wrote last. */
  const lastLines = Effect.map(machine.lines, (lines) => lines.slice(-5).join("\n"))
  const systemdRuns = (
    when: BootedWhen,
    ask: (argv: Argv) => Effect.Effect<CommandResult, CommandFault | NodeIsOff>,
    options: DeadlineOptions
  ) =>
    waitFor(
      `systemd of the node ${node} to be running`,
      Effect.gen(function*() {
        yield* failIfEnded
        const { stdout, stderr } = yield* ask(QUESTIONS[when])
        const state = stdout.trim()
        if (["running", "degraded", "active"].includes(state)) return found(state)
        return instead(`${state} ${stderr} ${yield* lastLines}`)
      }),
      options
    )
  return { failIfEnded, lastLines, systemdRuns }
}
