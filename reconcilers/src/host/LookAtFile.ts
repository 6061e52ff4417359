import * as fs from "node:fs"
import { opened } from "./OpenedFile.ts"
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

/** The same, with all that the file system says of a file. */
export type ReadFile =
  | Exclude<LookedAt, { readonly type: "file" }>
  | { readonly type: "file"; readonly content: string; readonly stats: fs.BigIntStats }

/** The longest file that is read, in bytes; Patela's own are far shorter. */
const LONGEST = 4 * 1024 * 1024

/**
 * Reads a file; follows no link and waits for no pipe. The calls block for some microseconds, as in FileMemory's
 * `statsAt`.
 */
export const readPlainFile = (path: string): ReadFile => {
  try {
    using file = opened(path, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK)
    const stats = fs.fstatSync(file.fd, { bigint: true })
    if (!stats.isFile() || stats.size > LONGEST) return { type: "not a file" }
    return { type: "file", content: fs.readFileSync(file.fd, "utf8"), stats }
  } catch (cause) {
    const code = errorCode(cause)
    if (code === "ENOENT" || code === "ENOTDIR") return { type: "absent" }
    // A link; a socket.
    if (code === "ELOOP" || code === "ENXIO") return { type: "not a file" }
    throw cause
  }
}

/** Reads a file of Patela's with its mode and owner; follows no link and waits for no pipe. */
export const lookAtFile = (path: string): LookedAt => {
  const read = readPlainFile(path)
  if (read.type !== "file") return read
  const { content, stats } = read
  return {
    type: "file",
    content,
    mode: Number(stats.mode) & 0o7777,
    uid: Number(stats.uid),
    gid: Number(stats.gid)
  }
}
