import * as fs from "node:fs"
import { join } from "node:path"
import { errorCode } from "./SystemError.ts"

/** The rest of a path from a directory on; `*` is any one name, and at a path's end `NAME*` any that begins so. */
type Steps = ReadonlyArray<string>

interface Watched {
  readonly watcher: fs.FSWatcher
  readonly below: Map<string, Watched>
}

/**
 * Watches every directory on the way to some paths, by inotify(7) through `fs.watch`, from a root that is there. So a
 * directory that appears is watched from then on, one that goes takes its watch along, and one that is swapped for another
 * is followed. Only names that stand in a path count. `changed` is called after the watches are in place again.
 *
 * Directories below are opened by name and not through links, for some of them belong to relays.
 */
export class WatchedTree {
  readonly #root: Watched | undefined
  readonly #changed: () => void
  readonly #failed: (cause: unknown) => void

  /** Throws where the root cannot be watched, or no more watches can be had (ENOSPC). */
  constructor(
    root: string,
    paths: ReadonlyArray<string>,
    listener: { readonly changed: () => void; readonly failed: (cause: unknown) => void }
  ) {
    this.#changed = listener.changed
    this.#failed = listener.failed
    this.#root = this.#watch(root, paths.map((path) => path.split("/").filter((step) => step !== "")))
    if (this.#root === undefined) throw new Error(`${root} is not a directory`)
  }

  close(): void {
    if (this.#root !== undefined) closeAll(this.#root)
  }

  #watch(directory: string, paths: ReadonlyArray<Steps>): Watched | undefined {
    let watcher: fs.FSWatcher
    try {
      if (!fs.lstatSync(directory).isDirectory()) return undefined
      watcher = fs.watch(directory)
    } catch (cause) {
      if (isGone(cause)) return undefined
      throw cause
    }
    const watched: Watched = { watcher, below: new Map() }
    watcher.on("error", this.#failed)
    watcher.on("change", (type, name) => {
      try {
        this.#happened(watched, directory, paths, type, String(name))
      } catch (cause) {
        this.#failed(cause)
      }
    })
    try {
      for (const name of namesBelow(directory, paths)) this.#renew(watched, directory, paths, name)
    } catch (cause) {
      closeAll(watched)
      throw cause
    }
    return watched
  }

  /** A directory that comes, goes or gets other rights is a `rename` of its name; of a file, writing is a `change`. */
  #happened(watched: Watched, directory: string, paths: ReadonlyArray<Steps>, type: string, name: string): void {
    const about = paths.filter(([step]) => isStep(step, name))
    if (about.length === 0) return
    if (type === "rename") this.#renew(watched, directory, paths, name)
    if (type === "rename" || about.some(({ length }) => length === 1)) this.#changed()
  }

  #renew(watched: Watched, directory: string, paths: ReadonlyArray<Steps>, name: string): void {
    const before = watched.below.get(name)
    if (before !== undefined) closeAll(before)
    watched.below.delete(name)
    const rest = paths.filter(([step, ...more]) => isStep(step, name) && more.length > 0).map((steps) => steps.slice(1))
    if (rest.length === 0) return
    const now = this.#watch(join(directory, name), rest)
    if (now !== undefined) watched.below.set(name, now)
  }
}

const isStep = (step: string | undefined, name: string): boolean =>
  step === name || (step?.endsWith("*") === true && name.startsWith(step.slice(0, -1)))

/** The names in a directory that a path goes on through. */
const namesBelow = (directory: string, paths: ReadonlyArray<Steps>): ReadonlySet<string> => {
  const through = paths.filter(({ length }) => length > 1).flatMap((steps) => steps.slice(0, 1))
  const listed = through.includes("*") ? namesIn(directory) : []
  return new Set([...through.filter((step) => step !== "*"), ...listed])
}

const namesIn = (directory: string): ReadonlyArray<string> => {
  try {
    return fs.readdirSync(directory)
  } catch (cause) {
    if (isGone(cause)) return []
    throw cause
  }
}

const isGone = (cause: unknown): boolean => errorCode(cause) === "ENOENT" || errorCode(cause) === "ENOTDIR"

const closeAll = ({ below, watcher }: Watched): void => {
  watcher.close()
  for (const one of below.values()) closeAll(one)
}
