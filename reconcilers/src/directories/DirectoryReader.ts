import { ObservationFailed } from "@patela/domain/reconciler/Kind"
import { Context, Effect, Layer } from "effect"
import { statsAt } from "../host/FileMemory.ts"
import { causeText } from "../host/SystemError.ts"
import type { Entry } from "./ObservedDirectories.ts"

/** Looks at directories. */
export class DirectoryReader extends Context.Service<DirectoryReader, {
  /** What stands at each of the paths; a last component that is a link is reported, not followed. */
  readonly look: (paths: ReadonlyArray<string>) => Effect.Effect<ReadonlyMap<string, Entry>, ObservationFailed>
}>()("@patela/reconcilers/directories/DirectoryReader") {
  static readonly layer: Layer.Layer<DirectoryReader> = Layer.succeed(
    DirectoryReader,
    DirectoryReader.of({
      look: Effect.fn("DirectoryReader.look")((paths) =>
        Effect.forEach(paths, (path) =>
          Effect.try({
            try: () => [path, entryAt(path)] as const,
            catch: (cause) =>
              new ObservationFailed({ kind: "directories", message: `cannot look at ${path}: ${causeText(cause)}` })
          })).pipe(Effect.map((entries) => new Map(entries)))
      )
    })
  )
}

const entryAt = (path: string): Entry => {
  // What is no directory and stands above is reported by its own path.
  const found = statsAt(path)
  if (found === undefined) return { type: "absent" }
  if (!found.isDirectory()) return { type: found.isSymbolicLink() ? "link" : "file" }
  return { type: "directory", mode: Number(found.mode) & 0o7777, uid: Number(found.uid), gid: Number(found.gid) }
}
