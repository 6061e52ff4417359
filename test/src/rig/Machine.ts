import { Effect, Option } from "effect"
import {
  type Argv,
  CommandFailed,
  type CommandFault,
  type CommandNotStarted,
  type CommandOptions,
  type CommandResult
} from "./Command.ts"
import type { DeadlinePassed } from "./Deadline.ts"
import { type NodeDidNotBoot, NodeIsOff } from "./NodeFault.ts"
import type { Power } from "./Power.ts"

export interface NodeCommandOptions extends CommandOptions {
  /** The numeric user (and group) that the program runs as; root unless told. */
  readonly user?: number
}

export type BootFault = CommandFault | CommandFailed | CommandNotStarted | DeadlinePassed | NodeDidNotBoot | NodeIsOff

/** A diskless machine, whatever it is made of: it can be given power, be asked, and lose its power. Every boot is a blank one. */
export interface Machine {
  /** Powers it on and waits until systemd is as far as was asked for. Nothing happens when it is on. Returns milliseconds. */
  readonly boot: Effect.Effect<number, BootFault>
  /** Pulls the plug: every process dies at once, with no chance to write, and the file system is gone. */
  readonly powerOff: Effect.Effect<void>
  /** Runs a program on it, with nothing in its environment but PATH, HOME, LANG and what is given. */
  readonly exec: (
    argv: Argv,
    options?: NodeCommandOptions
  ) => Effect.Effect<CommandResult, CommandFault | NodeIsOff>
  /** Runs a program on it that must end with status zero, and gives its output. */
  readonly execOk: (
    argv: Argv,
    options?: NodeCommandOptions
  ) => Effect.Effect<string, CommandFault | CommandFailed | NodeIsOff>
}

/** What a machine is spoken to by, while it has power. */
export const whileOn = <A, E>(node: string, power: Power<A, E>): Effect.Effect<A, NodeIsOff> =>
  Effect.flatMap(
    power.now,
    Option.match({ onNone: () => Effect.fail(new NodeIsOff({ node })), onSome: (up) => Effect.succeed(up) })
  )

/** How a machine that runs programs runs those that must end with status zero. */
export const execOkBy = (exec: Machine["exec"]): Machine["execOk"] =>
  Effect.fnUntraced(function*(argv, options) {
    const result = yield* exec(argv, options)
    if (result.exitCode !== 0) return yield* new CommandFailed({ argv, ...result })
    return result.stdout
  })

/** What every program that is run on a node has in its environment. */
export const baseEnvironment = {
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  HOME: "/root",
  LANG: "C.UTF-8"
}
