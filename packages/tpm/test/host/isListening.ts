import { readFileSync } from "node:fs"

/** `__SO_ACCEPTCON` (include/uapi/linux/net.h) in the fourth column of /proc/net/unix; the path is the last (proc(5)). */
const ACCEPTS = "00010000"

/**
 * Whether somebody listens on a unix socket of this path. Its file is there a moment before that, and to connect would
 * take the place of the one client that a swtpm has.
 */
export const isListening = (path: string): boolean =>
  readFileSync("/proc/net/unix", "utf8").split("\n").some((line) => {
    const columns = line.split(" ").filter((column) => column !== "")
    return columns.at(-1) === path && columns[3] === ACCEPTS
  })
