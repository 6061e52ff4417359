import { Effect, Option, type Scope } from "effect"
import { readFileSync, readlinkSync } from "node:fs"
import { BackgroundProcess } from "./BackgroundProcess.ts"
import { type BootedWhen, booting } from "./Booting.ts"
import { Cgroup } from "./Cgroup.ts"
import { type Argv, type CommandFailed, type CommandFault, type CommandOptions, run } from "./Command.ts"
import type { CommandNotStarted } from "./Command.ts"
import { found, instead, type Look, waitFor } from "./Deadline.ts"
import { baseEnvironment, execOkBy, type Machine, type NodeCommandOptions, whileOn } from "./Machine.ts"
import type { NodeIsOff } from "./NodeFault.ts"
import { Power } from "./Power.ts"
import { uniqueName } from "./RunName.ts"

/** Something of this machine that the node sees at a path of its own. */
export interface Bind {
  readonly source: string
  readonly target: string
  readonly writable?: boolean
}

/** A cable that is plugged in at every boot, as soon as the node's network namespace exists; `leader` is its PID 1 here. */
export type PlugIn = (leader: number) => Effect.Effect<void, CommandFault | CommandFailed, Scope.Scope>

export interface NodeContainerOptions {
  /** The Debian root, from DebianRoot.find. */
  readonly root: string
  readonly hostname?: string
  readonly binds?: ReadonlyArray<Bind>
  readonly plugIn?: PlugIn
  /** What a boot loader would put on the kernel's command line for systemd, such as `systemd.wants=NAME.service`. */
  readonly bootArguments?: ReadonlyArray<string>
  readonly bootedWhen?: BootedWhen
}

/** A node as a container: a Debian root booted by its own systemd as PID 1. */
export interface NodeContainer extends Machine {
  /** Starts a program on it that runs for as long as the scope and the node's power. */
  readonly start: (
    argv: Argv,
    options?: NodeCommandOptions
  ) => Effect.Effect<BackgroundProcess, CommandNotStarted | NodeIsOff, Scope.Scope>
  /** PID 1 of the node, as this machine numbers it. */
  readonly leader: Effect.Effect<number, NodeIsOff>
}

const childrenOf = (pid: number): ReadonlyArray<number> => {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number)
  } catch {
    return []
  }
}

const namespaceOf = (pid: number | "self", kind: "net" | "pid"): string | undefined => {
  try {
    return readlinkSync(`/proc/${pid}/ns/${kind}`)
  } catch {
    return undefined
  }
}

/**
 * PID 1 of the container: unshare's child is systemd-nspawn, and its child the leader. For a moment that child is a
 * helper that still has this machine's network; a cable plugged into that would end up in the machine's own namespace.
 */
const findLeader = (unshare: number): number | undefined =>
  childrenOf(unshare).flatMap((nspawn) =>
    childrenOf(nspawn).filter((pid) => {
      const net = namespaceOf(pid, "net")
      const tree = namespaceOf(pid, "pid")
      return net !== undefined && net !== namespaceOf("self", "net") &&
        tree !== undefined && tree !== namespaceOf(nspawn, "pid")
    })
  )[0]

const bindFlag = ({ source, target, writable = false }: Bind) => `--bind${writable ? "" : "-ro"}=${source}:${target}`

export const NodeContainer = {
  /** A node that is off; it is powered off for good when the scope closes. */
  make: Effect.fnUntraced(
    function*(
      { root, hostname = "node", binds = [], plugIn, bootArguments = [], bootedWhen = "running" }: NodeContainerOptions
    ) {
      /** nsenter enters every namespace; setpriv lets the program die with nsenter, which waits for it out here. */
      const onNode = (pid: number, argv: Argv, user: number | undefined): Argv => [
        "nsenter",
        "--target",
        String(pid),
        "--all",
        "--",
        "setpriv",
        "--pdeathsig",
        "KILL",
        ...(user === undefined ? [] : [`--reuid=${user}`, `--regid=${user}`, "--clear-groups"]),
        "--",
        ...argv
      ]

      const within = (options: NodeCommandOptions): CommandOptions => ({
        ...options,
        env: { ...baseEnvironment, ...options.env }
      })

      const execAt = (pid: number, argv: Argv, options: NodeCommandOptions = {}) =>
        run(onNode(pid, argv, options.user), within(options))

      const start = Effect.fnUntraced(function*(isUp: (leader: number) => Effect.Effect<void>) {
        const machine = uniqueName("node")
        const group = yield* Cgroup.make("node")
        // The process and mount namespaces around systemd-nspawn make one kill enough: when unshare dies, so does nspawn,
        // which is PID 1 in there, and with it the kernel ends everything inside. systemd-nspawn killed alone leaves its
        // container running.
        const nspawn = yield* BackgroundProcess.start(group.enter([
          "unshare",
          "--mount",
          "--pid",
          "--fork",
          "--kill-child=SIGKILL",
          "--mount-proc",
          "--",
          // A read-only root takes a shared lock, so that two nodes can boot from it; what the node writes goes to memory.
          "systemd-nspawn",
          `--directory=${root}`,
          "--read-only",
          "--volatile=overlay",
          "--boot",
          "--private-network",
          "--register=no",
          "--keep-unit",
          "--console=pipe",
          "--link-journal=no",
          "--resolv-conf=off",
          "--timezone=off",
          `--machine=${machine}`,
          `--hostname=${hostname}`,
          ...binds.map(bindFlag),
          // For a container systemd reads its own arguments where it would read /proc/cmdline (kernel-command-line(7)).
          ...bootArguments
        ]))
        const { failIfEnded, lastLines, systemdRuns } = booting(hostname, nspawn)
        const pid = yield* waitFor(
          "the node's first process",
          Effect.gen(function*() {
            yield* failIfEnded
            const leader = findLeader(nspawn.pid)
            return leader === undefined ? instead(yield* lastLines) : found(leader)
          }),
          { every: "2 millis" }
        )
        // systemd-nspawn, seeing its leader dead, unmounts and tidies; it is killed with unshare if it takes too long.
        yield* Effect.addFinalizer(() =>
          Effect.flatMap(nspawn.ended, (ended) =>
            Effect.sync(() => {
              // Once systemd-nspawn has ended, the number may belong to another process.
              if (Option.isNone(ended)) process.kill(pid, "SIGKILL")
            })).pipe(
              Effect.andThen(waitFor(
                "systemd-nspawn to end",
                Effect.map(nspawn.ended, (ended): Look<void> =>
                  Option.isSome(ended) ? found(undefined) : instead("it runs on")),
                { within: "20 seconds", every: "5 millis" }
              )),
              Effect.ignoreCause
            )
        )
        if (plugIn !== undefined) {
          // A container that ends at once fails here first: say why it ended, not that its process is gone.
          const ending = waitFor(
            "systemd-nspawn to end",
            Effect.as(failIfEnded, instead("it runs")),
            { within: "200 millis" }
          ).pipe(Effect.catchTag("DeadlinePassed", () => Effect.void))
          yield* plugIn(pid).pipe(Effect.tapError(() => ending))
        }
        yield* isUp(pid)
        yield* systemdRuns(bootedWhen, (argv) => execAt(pid, argv), { within: "90 seconds", every: "10 millis" })
      })
      const power = yield* Power.make(start)

      const leader = whileOn(hostname, power)

      const exec: NodeContainer["exec"] = (argv, options) => Effect.flatMap(leader, (pid) => execAt(pid, argv, options))

      const node: NodeContainer = {
        boot: power.on,
        powerOff: power.off,
        leader,
        exec,
        execOk: execOkBy(exec),
        start: (argv, options = {}) =>
          Effect.flatMap(leader, (pid) => BackgroundProcess.start(onNode(pid, argv, options.user), within(options)))
      }
      return node
    }
  )
}
