import { constants } from "node:fs"
import * as fs from "node:fs/promises"
import { errorCode } from "./SystemError.ts"

/** What stands at a path: nothing, a plain file, or something else (a link, a directory, a pipe, a huge file). */
export type LookedAt =
  | { readonly type: "absent" }
  | {
    readonly type: "file"
    readonly content: string
    readonly mode: number
    readonly uid: number
    readonly gid: number
  }
  | { readonly type: "not a file" }

/** The longest file that is read, in bytes; Patela's own are far shorter. */
const LONGEST = 4 * 1024 * 1024

/** Reads a file of Patela's with its mode and owner; follows no link and waits for no pipe. */
export const lookAtFile = async (path: string): Promise<LookedAt> => {
  try {
    await using file = await fs.open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    const stats = await file.stat()
    if (!stats.isFile() || stats.size > LONGEST) return { type: "not a file" }
    const content = await file.readFile("utf8")
    return { type: "file", content, mode: stats.mode & 0o7777, uid: stats.uid, gid: stats.gid }
  } catch (cause) {
    const code = errorCode(cause)
    if (code === "ENOENT" || code === "ENOTDIR") return { type: "absent" }
    // A link; a socket.
    if (code === "ELOOP" || code === "ENXIO") return { type: "not a file" }
    throw cause
  }
}
