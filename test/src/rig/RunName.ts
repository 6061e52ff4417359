import { readFileSync } from "node:fs"

/**
 * Names for what a run leaves in the kernel and the file system: `patela-PID-STARTED-LABEL-NUMBER`, where PID and STARTED
 * (start time in clock ticks after boot, proc(5) field 22 of /proc/PID/stat) name the process that made them. So no two
 * runs collide, and what a killed run left behind can be told from what a living one needs.
 */
const startedAt = (pid: number): string | undefined => {
  try {
    // The second field, the program's name in parentheses, may hold spaces: count from after it.
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8")
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]
  } catch {
    return undefined
  }
}

let made = 0

const ownPrefix = `patela-${process.pid}-${startedAt(process.pid) ?? "0"}`

/** A name that nothing else on this machine has. */
export const uniqueName = (label: string): string => `${ownPrefix}-${label}-${++made}`

/** Whether a name is a run's, and that run's process is gone. */
export const isLeftover = (name: string): boolean => {
  const parts = /^patela-(\d+)-(\d+)-/.exec(name)
  return parts !== null && startedAt(Number(parts[1])) !== parts[2]
}
