import { Effect } from "effect"
import { BackgroundProcess } from "./BackgroundProcess.ts"
import { type Argv, type CommandOptions, run, runOk } from "./Command.ts"
import { uniqueName } from "./RunName.ts"

/** A network namespace of the rig's own: it has its loopback and what Veth puts in, and no way out. */
export interface Namespace {
  /** Its name under /run/netns, as `ip netns` shows it. */
  readonly name: string
  /** Runs a program in it. */
  readonly exec: (argv: Argv, options?: CommandOptions) => ReturnType<typeof run>
  /** Runs a program in it that must end with status zero. */
  readonly execOk: (argv: Argv, options?: CommandOptions) => ReturnType<typeof runOk>
  /** Starts a program in it that runs for as long as the scope. */
  readonly start: typeof BackgroundProcess.start
  /** Runs `ip -batch` there: one command a line, without the word ip. */
  readonly ip: (commands: ReadonlyArray<string>) => ReturnType<typeof runOk>
}

export const Namespace = {
  make: Effect.fnUntraced(function*(label: string) {
    const name = yield* Effect.acquireRelease(
      Effect.suspend(() => {
        const name = uniqueName(label)
        return Effect.as(runOk(["ip", "netns", "add", name]), name)
      }),
      (name) => Effect.ignore(run(["ip", "netns", "delete", name]))
    )
    const within = (argv: Argv): Argv => ["nsenter", `--net=/run/netns/${name}`, "--", ...argv]
    const namespace: Namespace = {
      name,
      exec: (argv, options) => run(within(argv), options),
      execOk: (argv, options) => runOk(within(argv), options),
      start: (argv, options) => BackgroundProcess.start(within(argv), options),
      ip: (commands) => runOk(["ip", "-n", name, "-batch", "-"], { stdin: `${commands.join("\n")}\n` })
    }
    yield* namespace.ip(["link set lo up"])
    // A new namespace copies the machine's forwarding setting: the rig's never pass packets on.
    yield* namespace.execOk(["tee", "/proc/sys/net/ipv4/ip_forward"], { stdin: "0\n" })
    return namespace
  })
}
