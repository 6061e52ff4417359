import { Duration, Effect, Semaphore } from "effect"
import { createConnection, type Socket } from "node:net"
import { createInterface } from "node:readline"
import { type Argv, type CommandFault, type CommandResult, CommandTooSlow } from "./Command.ts"
import type { CpioEntry } from "./Cpio.ts"
import { baseEnvironment, type NodeCommandOptions } from "./Machine.ts"
import { NodeIsOff } from "./NodeFault.ts"

/** The name of the port by which a test speaks to a virtual node. */
export const GUEST_PORT = "patela.rig"

// bash with a fixed text: every Debian root has it. A request is a line `ID SECONDS SCRIPT`, an answer `ID STATUS OUT ERR`, and
// the last words are base64. A port that nobody holds out there reads as ended: then systemd starts this again.
const GUEST_SCRIPT = `#!/bin/bash
exec 3<>/dev/virtio-ports/${GUEST_PORT}
mkdir --parents /run/rig
while read -r -u 3 id seconds script; do
  timeout --kill-after=1 "$seconds" bash -c "$(base64 --decode <<<"$script")" \\
    </dev/null >/run/rig/out 2>/run/rig/err 3>&-
  echo "$id $? $(base64 --wrap=0 /run/rig/out) $(base64 --wrap=0 /run/rig/err)" >&3
done
`

const device = `dev-virtio\\x2dports-${GUEST_PORT}.device`

const GUEST_UNIT = `[Unit]
Description=Commands of the test
DefaultDependencies=no
BindsTo=${device}
After=${device}
StartLimitIntervalSec=0

[Service]
ExecStart=/usr/local/lib/rig-shell
Restart=always
RestartSec=100ms
# What a command leaves running is not the shell's.
KillMode=process
`

/** What the node has to have in its image. */
export const guestShellEntries: ReadonlyArray<CpioEntry> = [
  { type: "file", path: "usr/local/lib/rig-shell", mode: 0o755, content: Buffer.from(GUEST_SCRIPT) },
  { type: "file", path: "etc/systemd/system/rig-shell.service", mode: 0o644, content: Buffer.from(GUEST_UNIT) },
  { type: "link", path: "etc/systemd/system/sysinit.target.wants/rig-shell.service", to: "../rig-shell.service" }
]

/** Runs commands on a virtual node, one after another, by a serial port that no network knows of. */
export interface GuestShell {
  readonly exec: (
    argv: Argv,
    options?: NodeCommandOptions
  ) => Effect.Effect<CommandResult, CommandFault | NodeIsOff>
}

const quoted = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`

/** How much longer than the node itself one waits out here for its answer. */
const GRACE = Duration.seconds(20)

/** The status that timeout(1) gives for a program that it had to end. */
const TIMED_OUT = 124

const scriptOf = (argv: Argv, { env, stdin, user }: NodeCommandOptions): string => {
  const words = [
    "env",
    "-i",
    ...Object.entries({ ...baseEnvironment, ...env }).map(([name, value]) => `${name}=${value}`),
    ...(user === undefined ? [] : ["setpriv", `--reuid=${user}`, `--regid=${user}`, "--clear-groups", "--"]),
    ...argv
  ].map(quoted).join(" ")
  if (stdin === undefined) return `exec ${words}`
  return `base64 --decode <<<${Buffer.from(stdin).toString("base64")} | ${words}`
}

export const GuestShell = {
  /** Speaks by a unix socket that is the other end of the node's port, for as long as the scope. */
  make: Effect.fnUntraced(function*(node: string, path: string) {
    const waiting = new Map<number, (answer: CommandResult | undefined) => void>()
    const socket = yield* Effect.acquireRelease(
      Effect.callback<Socket, NodeIsOff>((resume) => {
        const made = createConnection(path)
        made.once("connect", () => resume(Effect.succeed(made)))
        made.once("error", () => resume(Effect.fail(new NodeIsOff({ node }))))
      }),
      (made) => Effect.sync(() => made.destroy())
    )
    socket.on("error", () => undefined)
    let isOpen = true
    socket.once("close", () => {
      isOpen = false
      for (const answer of waiting.values()) answer(undefined)
      waiting.clear()
    })
    createInterface({ input: socket }).on("line", (line) => {
      const [id = "", status = "", out = "", err = ""] = line.split(" ")
      const text = (words: string) => Buffer.from(words, "base64").toString("utf8")
      waiting.get(Number(id))?.({ exitCode: Number(status), stdout: text(out), stderr: text(err) })
      waiting.delete(Number(id))
    })
    let last = 0
    const oneAtATime = Semaphore.makeUnsafe(1).withPermit
    const exec: GuestShell["exec"] = (argv, options = {}) => {
      const within = Duration.fromInputUnsafe(options.within ?? "60 seconds")
      const late = new CommandTooSlow({ argv, within: Duration.format(within) })
      return Effect.callback<CommandResult, NodeIsOff | CommandTooSlow>((resume) => {
        if (!isOpen) return resume(Effect.fail(new NodeIsOff({ node })))
        const id = ++last
        waiting.set(id, (answer) => {
          if (answer === undefined) return resume(Effect.fail(new NodeIsOff({ node })))
          resume(answer.exitCode === TIMED_OUT ? Effect.fail(late) : Effect.succeed(answer))
        })
        const script = Buffer.from(scriptOf(argv, options)).toString("base64")
        socket.write(`${id} ${Duration.toSeconds(within)} ${script}\n`)
        return Effect.sync(() => void waiting.delete(id))
      }).pipe(
        Effect.timeoutOrElse({ duration: Duration.sum(within, GRACE), orElse: () => Effect.fail(late) }),
        oneAtATime
      )
    }
    return { exec } satisfies GuestShell
  })
}
