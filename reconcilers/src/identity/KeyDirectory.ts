import { Redacted } from "effect"
import * as fs from "node:fs"
import { opened, type OpenedFile } from "../host/OpenedFile.ts"
import { errorCode } from "../host/SystemError.ts"

/** The mode of a key file. */
export const KEY_FILE_MODE = 0o600

/** No key file is longer, in bytes. */
export const KEY_FILE_LIMIT = 4096

/** A key file as it was found. */
export interface KeyFileFound {
  readonly bytes: Redacted.Redacted<Uint8Array>
  readonly mode: number
  readonly uid: number
  readonly gid: number
}

/**
 * A directory belongs to the relay's user or lies in one that does, so it is entered step by step and never through a
 * link: else a relay could have root read (and later replace) files elsewhere.
 */
export const directoryAt = (path: string): OpenedFile | undefined => {
  try {
    return opened(path, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY | fs.constants.O_NOFOLLOW)
  } catch (cause) {
    if (errorCode(cause) === "ENOENT") return undefined
    throw cause
  }
}

/** Not blocking, so that a FIFO in the file's place holds nobody up. */
export const keyFileIn = (keys: OpenedFile, name: string): KeyFileFound | undefined => {
  try {
    const flags = fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK
    using file = opened(`/proc/self/fd/${keys.fd}/${name}`, flags)
    const stats = fs.fstatSync(file.fd)
    if (!stats.isFile()) throw new Error(`${name}: it is not a plain file`)
    const { gid, mode, size, uid } = stats
    if (size > KEY_FILE_LIMIT) throw new Error(`${name}: it is longer than any key file`)
    return { bytes: Redacted.make<Uint8Array>(fs.readFileSync(file.fd)), mode: mode & 0o7777, uid, gid }
  } catch (cause) {
    if (errorCode(cause) === "ENOENT") return undefined
    throw cause
  }
}

/** What is wrong with owner and mode of a key file, one line each. */
export const untidyIn = (
  name: string,
  { gid, mode, uid }: Omit<KeyFileFound, "bytes">,
  owner: { readonly uid: number; readonly gid: number }
): ReadonlyArray<string> => [
  ...(uid === owner.uid && gid === owner.gid ? [] : [`${name}: owner ${uid}:${gid} -> ${owner.uid}:${owner.gid}`]),
  ...(mode === KEY_FILE_MODE ? [] : [`${name}: mode ${mode.toString(8)} -> ${KEY_FILE_MODE.toString(8)}`])
]
