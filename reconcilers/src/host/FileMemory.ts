import { type BigIntStats, lstatSync } from "node:fs"
import { type LookedAt, readPlainFile } from "./LookAtFile.ts"
import { errorCode } from "./SystemError.ts"

/** A plain file, and what was made of its text. */
export interface KnownFile<A> {
  readonly type: "file"
  readonly content: A
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** When its text was last changed; milliseconds since 1970. */
  readonly changedAt: number
  /** Another one after every write, renaming or change of rights: inode, size and both times in nanoseconds. */
  readonly stamp: string
}

export type Known<A> = KnownFile<A> | Exclude<LookedAt, { readonly type: "file" }>

/**
 * Looks at files, and reads and parses only those that changed since its last look: an agent that watches looks at
 * hundreds of files that nobody touches. Follows no link and waits for no pipe. `now` is milliseconds since 1970.
 */
export const fileMemory = <A>(
  parse: (text: string) => A,
  now: () => number = Date.now
): (path: string) => Known<A> => {
  const known = new Map<string, KnownFile<A>>()
  return (path) => {
    const before = known.get(path)
    if (before !== undefined && before.stamp === stampAt(path)) return before
    known.delete(path)
    const read = readPlainFile(path)
    if (read.type !== "file") return read
    const { content, stats } = read
    const file: KnownFile<A> = {
      type: "file",
      content: parse(content),
      mode: Number(stats.mode) & 0o7777,
      uid: Number(stats.uid),
      gid: Number(stats.gid),
      changedAt: Number(stats.mtimeNs) / 1e6,
      stamp: stampOf(stats)
    }
    if (hasSettled(stats, now())) known.set(path, file)
    return file
  }
}

/**
 * Milliseconds after which a file's times tell it from a later version of itself. The kernel's clock for files goes in
 * steps of up to 10 ms (CONFIG_HZ), and a second write in the same step would show nothing.
 */
const SETTLED = 100

/** Whether a file's times tell it from every later version of itself. `now` is milliseconds since 1970. */
export const hasSettled = ({ ctimeNs }: BigIntStats, now: number): boolean => now - Number(ctimeNs) / 1e6 > SETTLED

/**
 * What is at a path, undefined where nothing is. The call blocks for some microseconds: hundreds of these wait for a
 * thread of their own a hundred times as long.
 */
export const statsAt = (path: string): BigIntStats | undefined => {
  try {
    return lstatSync(path, { bigint: true, throwIfNoEntry: false })
  } catch (cause) {
    if (errorCode(cause) === "ENOTDIR") return undefined
    throw cause
  }
}

const stampAt = (path: string): string | undefined => {
  const stats = statsAt(path)
  return stats === undefined ? undefined : stampOf(stats)
}

/** Another one after every write, renaming or change of rights: inode, size and both times in nanoseconds. */
export const stampOf = ({ ctimeNs, ino, mtimeNs, size }: BigIntStats): string => `${ino} ${size} ${mtimeNs} ${ctimeNs}`
