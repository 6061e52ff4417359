import { Schema } from "effect"

/** What inside/idle.ts prints of its window. */
export const IdleFigures = Schema.fromJsonString(Schema.Struct({
  seconds: Schema.Finite,
  /** Processor time of the agent and all that it started, also of what has ended; seconds. */
  cpuSeconds: Schema.Finite,
  /** Most resident memory of the agent's own process in the window, and of what it keeps running beside it; MiB. */
  agentMib: Schema.Finite,
  monitorsMib: Schema.Finite,
  /** Lines by which host and kernel differ before and after. */
  differences: Schema.Array(Schema.String),
  /** Lines of `ip monitor` and `nft monitor`: also of what was changed and changed back. */
  kernelEvents: Schema.Int,
  journalLines: Schema.Int
}))
export type IdleFigures = typeof IdleFigures.Type

/** What is read out of a trace of the agent's system calls. */
export interface TracedCalls {
  /** Programs that were started, by name. */
  readonly started: ReadonlyArray<string>
  /** Calls that changed a file, or opened one to write it. */
  readonly written: ReadonlyArray<string>
}

/** The calls that inside the window are looked at (strace(1), `--trace`). */
export const TRACED = [
  "execve",
  "open",
  "openat",
  "creat",
  "rename",
  "renameat",
  "renameat2",
  "link",
  "linkat",
  "symlink",
  "symlinkat",
  "unlink",
  "unlinkat",
  "mkdir",
  "mkdirat",
  "rmdir",
  "chmod",
  "fchmod",
  "fchmodat",
  "chown",
  "fchown",
  "fchownat",
  "lchown",
  "truncate",
  "ftruncate",
  "utimensat"
] as const

const OPENS = new Set(["open", "openat", "creat"])

/** Devices and the kernel's own files keep nothing; what is changed by them is in the kernel's tables. */
const NO_FILES = /^"\/(?:dev|proc)\//

/**
 * Reads the output of `strace -f`: a line is `PID CALL(ARGUMENTS) = RESULT`. A call that was interrupted by another
 * process's line stands on two (`<unfinished ...>`, `<... CALL resumed>`); their halves are put together.
 */
export const tracedCalls = (trace: string): TracedCalls => {
  const begun = new Map<string, string>()
  const started: Array<string> = []
  const written: Array<string> = []
  for (const line of trace.split("\n")) {
    const [, process = "", text = ""] = /^(?:\[pid\s+)?(\d+)\]?\s+(.*)$/.exec(line) ?? []
    const unfinished = /^(.*)<unfinished \.\.\.>$/.exec(text)?.[1]
    if (unfinished !== undefined) {
      begun.set(process, unfinished)
      continue
    }
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(text)?.[1]
    const whole = resumed === undefined ? text : `${begun.get(process) ?? ""}${resumed}`
    const [, call = "", args = "", result = "-1"] = /^(\w+)\((.*)\)\s+= (-?\d+)/.exec(whole) ?? []
    if (call === "" || Number(result) < 0) continue
    if (call === "execve") started.push(/^"([^"]*)"/.exec(args)?.[1] ?? args)
    else if (!OPENS.has(call)) written.push(whole)
    else if (/O_WRONLY|O_RDWR|O_CREAT/.test(args) && !NO_FILES.test(args.replace(/^AT_FDCWD, /, ""))) {
      written.push(whole)
    }
  }
  return { started, written }
}
