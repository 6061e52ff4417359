import * as fs from "node:fs/promises"
import { errorCode } from "./SystemError.ts"

/** The part of a temporary name that says whose it is: the number of this process. */
export const OWNER = String(process.pid)

/**
 * Removes what processes that were killed left in a directory: files, or directories of this user, whose name the pattern
 * matches with the number of a process that is gone in its first group. What a living process has, this one included,
 * stays. Nothing is said of what cannot be removed: it is in nobody's way.
 */
export const sweepDead = async (directory: string, what: "files" | "directories", pattern: RegExp): Promise<void> => {
  const names = await fs.readdir(directory).catch(() => [])
  for (const name of names) {
    const owner = Number(pattern.exec(name)?.[1])
    if (!Number.isInteger(owner) || owner <= 0 || isAlive(owner)) continue
    await remove(`${directory}/${name}`, what).catch(() => undefined)
  }
}

/** A directory of somebody else's is not walked: it could be swapped for a link on the way. */
const remove = async (path: string, what: "files" | "directories"): Promise<void> => {
  if (what === "files") return await fs.unlink(path)
  const stats = await fs.lstat(path)
  if (stats.isDirectory() && stats.uid === process.geteuid?.()) await fs.rm(path, { recursive: true })
}

/** kill(2) with signal 0: EPERM is a living process of somebody else's. */
const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (cause) {
    return errorCode(cause) !== "ESRCH"
  }
}
