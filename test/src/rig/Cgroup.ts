import { Effect, Schedule } from "effect"
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync } from "node:fs"
import type { Argv } from "./Command.ts"
import { uniqueName } from "./RunName.ts"

/**
 * A control group of its own for a container: two containers started from one group would share one `payload` group, and
 * the two systemds in them would end each other's processes.
 */
export interface Cgroup {
  /** The argument vector that enters the group and then becomes the program. */
  readonly enter: (argv: Argv) => Argv
}

/** Where process-tracking hierarchies are mounted: version 2, and version 1's `name=systemd` on a hybrid system. */
const hierarchies = (): ReadonlyArray<string> =>
  readFileSync("/proc/self/mounts", "utf8").split("\n").flatMap((line) => {
    const [, folder, type, flags] = line.split(" ")
    if (folder === undefined) return []
    return type === "cgroup2" || (type === "cgroup" && flags?.split(",").includes("name=systemd")) ? [folder] : []
  })

/** Control group folders hold files that cannot be removed; only empty groups can, children first. */
const removeGroup = (folder: string): void => {
  try {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (entry.isDirectory()) removeGroup(`${folder}/${entry.name}`)
    }
    rmdirSync(folder)
  } catch {
    // Still in use, or gone already: the next run sweeps what is left.
  }
}

/** Removes the top-level groups whose name is chosen. */
export const removeCgroups = (chosen: (name: string) => boolean): Effect.Effect<void> =>
  Effect.sync(() => {
    for (const hierarchy of hierarchies()) {
      for (const name of readdirSync(hierarchy).filter(chosen)) removeGroup(`${hierarchy}/${name}`)
    }
  })

// bash is the program here, with a fixed text: a process must be moved before it becomes systemd-nspawn, and only it
// can name itself in time. Folders and the program arrive as arguments.
const enterScript = `while [ "$1" != -- ]; do echo $$ > "$1/cgroup.procs"; shift; done; shift; exec "$@"`

export const Cgroup = {
  make: Effect.fnUntraced(function*(label: string) {
    const name = uniqueName(label)
    const folders = yield* Effect.acquireRelease(
      Effect.sync(() =>
        hierarchies().map((hierarchy) => {
          mkdirSync(`${hierarchy}/${name}`)
          return `${hierarchy}/${name}`
        })
      ),
      // A process that has ended is in its group for a moment more.
      (folders) =>
        removeCgroups((other) => other === name).pipe(
          Effect.repeat({
            until: () => folders.every((folder) => !existsSync(folder)),
            schedule: Schedule.spaced("10 millis"),
            times: 500
          }),
          Effect.asVoid
        )
    )
    const group: Cgroup = { enter: (argv) => ["bash", "-c", enterScript, "enter-cgroup", ...folders, "--", ...argv] }
    return group
  })
}
