import { ObservationFailed } from "@patela/domain/reconciler/Kind"
import { Context, Effect, Layer } from "effect"
import * as fs from "node:fs/promises"
import { causeText, errorCode } from "../host/SystemError.ts"
import type { Entry } from "./ObservedDirectories.ts"

/** Looks at directories. */
export class DirectoryReader extends Context.Service<DirectoryReader, {
  /** What stands at each of the paths; a last component that is a link is reported, not followed. */
  readonly look: (paths: ReadonlyArray<string>) => Effect.Effect<ReadonlyMap<string, Entry>, ObservationFailed>
}>()("@patela/reconcilers/directories/DirectoryReader") {
  static readonly layer: Layer.Layer<DirectoryReader> = Layer.succeed(
    DirectoryReader,
    DirectoryReader.of({
      look: Effect.fn("DirectoryReader.look")(function*(paths) {
        const entries = yield* Effect.forEach(paths, (path) =>
          Effect.tryPromise({
            try: async () => [path, await entryAt(path)] as const,
            catch: (cause) =>
              new ObservationFailed({ kind: "directories", message: `cannot look at ${path}: ${causeText(cause)}` })
          }), { concurrency: 32 })
        return new Map(entries)
      })
    })
  )
}

const entryAt = async (path: string): Promise<Entry> => {
  try {
    const { gid, mode, uid, ...stats } = await fs.lstat(path).then((found) => ({
      gid: found.gid,
      mode: found.mode & 0o7777,
      uid: found.uid,
      isDirectory: found.isDirectory(),
      isLink: found.isSymbolicLink()
    }))
    return stats.isDirectory ? { type: "directory", mode, uid, gid } : { type: stats.isLink ? "link" : "file" }
  } catch (cause) {
    // ENOTDIR: something that is no directory stands above; it is reported by its own path.
    if (errorCode(cause) === "ENOENT" || errorCode(cause) === "ENOTDIR") return { type: "absent" }
    throw cause
  }
}
