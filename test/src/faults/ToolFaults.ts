import { Effect } from "effect"
import { fault } from "../mission/Mission.ts"
import type { NodeContainer } from "../rig/NodeContainer.ts"

/** What a tool does instead of its work. `late`: its work, and then it says that it failed. */
export const FAULTS = ["fail", "garbage", "half", "late", "linger", "hang"] as const
export type Fault = typeof FAULTS[number]

/** The tools of the host that the agent runs, as one name each; `tpm2` is all of tpm2-tools. */
export const TOOLS = ["nft", "ip", "systemd-sysusers", "tor", "tpm2"] as const
export type Tool = typeof TOOLS[number]

/** A fault at a tool's call number, counted from 0, or at all its calls. */
export interface ToolFault {
  readonly tool: Tool
  readonly call: number | "*"
  readonly fault: Fault
}

/**
 * Stands before the real tool in PATH. Without a schedule it is the real tool. `linger` leaves a child behind that keeps
 * the output open, so that who waits for its end waits for long. Calls of one tool are counted under a lock.
 */
const STAND_IN = `#!/bin/bash
# What is called here is never a stand-in itself.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
name=$(basename "$0")
real=/usr/bin/$name
[ -x "$real" ] || real=/usr/sbin/$name
if [ -e /run/faults/record ]; then
  { printf '%s ' "$name" "$@"; echo; env; } >> /run/faults/record
  # What the TPM gives back for a credential is a secret, to be looked for.
  if [ "$name" = tpm2_activatecredential ]; then
    "$real" "$@" || exit
    while [ $# -gt 1 ]; do [ "$1" = -o ] && cat "$2" >> /run/faults/activated; shift; done
    exit 0
  fi
fi
[ -e /run/faults/schedule ] || exec "$real" "$@"
tool=\${name%%_*}
exec 9> /run/faults/lock
flock 9
n=$(cat "/run/faults/count.$tool" 2> /dev/null || echo 0)
echo $((n + 1)) > "/run/faults/count.$tool"
exec 9>&-
what=$(awk -v tool="$tool" -v n="$n" '$1 == tool && ($2 == n || $2 == "*") { print $3; exit }' /run/faults/schedule)
case $what in
  fail) echo "$name: simulated trouble, $(printf '\\001\\377') and some noise" >&2; exit 1 ;;
  garbage) head -c 3000 /dev/urandom; exit 0 ;;
  half) "$real" "$@" > "/run/faults/out.$$"; head -c $(($(stat -c %s "/run/faults/out.$$") / 2)) "/run/faults/out.$$"
    rm "/run/faults/out.$$"; exit 0 ;;
  late) "$real" "$@"; echo "$name: simulated trouble at the end" >&2; exit 1 ;;
  linger) sleep 1000 & exit 0 ;;
  hang) exec sleep 1000 ;;
esac
exec "$real" "$@"
`

export const ToolFaults = {
  /** To be called after every boot. */
  install: (node: NodeContainer) =>
    fault(node.execOk([
      "sh",
      "-c",
      "mkdir -p /run/faults && cat > /usr/local/sbin/stand-in && chmod 755 /usr/local/sbin/stand-in && " +
      "for tool in nft ip systemd-sysusers tor usermod userdel groupdel rm tee flock $(cd /usr/bin && ls -d tpm2_*); do " +
      "ln -s stand-in \"/usr/local/sbin/$tool\"; done"
    ], { stdin: STAND_IN })),

  /** From now on the arguments and the environment of every tool are written down, and what the TPM activates. */
  record: (node: NodeContainer) => fault(node.execOk(["sh", "-c", "umask 077; : > /run/faults/record"])),

  /** From now on these faults happen, and calls are counted from 0. */
  plan: (node: NodeContainer, faults: ReadonlyArray<ToolFault>) =>
    fault(
      node.execOk(["sh", "-c", "rm -f /run/faults/count.*; cat > /run/faults/schedule"], {
        stdin: faults.map(({ call, fault: what, tool }) => `${tool} ${call} ${what}\n`).join("")
      })
    ),

  /** The tools work again. Gives how often each was called since the plan; what lingers is ended. */
  clear: Effect.fnUntraced(function*(node: NodeContainer) {
    const text = yield* node.execOk([
      "sh",
      "-c",
      "rm -f /run/faults/schedule; cd /run/faults; for f in count.*; do [ -e \"$f\" ] && echo \"${f#count.} $(cat \"$f\")\"; " +
      "done; for p in /proc/[0-9]*; do [ \"$(cat \"$p/comm\" 2> /dev/null)\" = sleep ] && kill \"${p#/proc/}\"; done; true"
    ])
    return new Map(
      text.split("\n").filter((line) => line !== "").map((line) => {
        const [tool = "", count] = line.split(" ")
        return [tool, Number(count)] as const
      })
    )
  }, fault)
}
