import { ObservationFailed, type WatchSignal } from "@patela/domain/reconciler/Kind"
import { Cause, Context, Effect, Layer, Queue, Stream } from "effect"
import { causeText, errorCode } from "./SystemError.ts"
import { WatchedTree } from "./WatchedTree.ts"

/**
 * Tells that something became of files or directories: made, written, renamed, removed, or given other rights. Begins with
 * "look again", for what was before it watched.
 *
 * inotify(7) drops events when more than fs.inotify.max_queued_events wait, and Node does not say so; a file that is also
 * reached by another hard link can change unseen. The full look once a minute is for both.
 */
export class FileMonitor extends Context.Service<FileMonitor, {
  /**
   * Absolute paths, of which `*` stands for any one name, and `NAME*` at the end for any that begins so; none of them need
   * be there. `kind` is whose they are.
   */
  readonly changes: (kind: string, paths: ReadonlyArray<string>) => Stream.Stream<WatchSignal, ObservationFailed>
}>()("@patela/reconcilers/host/FileMonitor") {
  /** Takes paths from `root` on, which is to be there. */
  static readonly layerUnder = (root: string): Layer.Layer<FileMonitor> =>
    Layer.succeed(
      FileMonitor,
      FileMonitor.of({
        changes: (kind, paths) =>
          Stream.callback<WatchSignal, ObservationFailed>((queue) => {
            const unwatchable = (cause: unknown) =>
              new ObservationFailed({ kind, message: `cannot watch ${paths.join(", ")}: ${adviceOn(cause)}` })
            const open = () => {
              const changed = () => void Queue.offerUnsafe(queue, "look again")
              const failed = (cause: unknown) => void Queue.failCauseUnsafe(queue, Cause.fail(unwatchable(cause)))
              const tree = new WatchedTree(root, paths, { changed, failed })
              changed()
              return tree
            }
            return Effect.acquireRelease(
              Effect.try({ try: open, catch: unwatchable }),
              (tree) => Effect.sync(() => tree.close())
            )
            // However many events wait for the reader, one look answers them all.
          }, { bufferSize: 1, strategy: "sliding" })
      })
    )

  static readonly layer: Layer.Layer<FileMonitor> = FileMonitor.layerUnder("/")
}

const adviceOn = (cause: unknown): string => {
  const code = errorCode(cause)
  if (code === "ENOSPC") return `${causeText(cause)}; raise the sysctl fs.inotify.max_user_watches`
  if (code === "EMFILE") return `${causeText(cause)}; raise the sysctl fs.inotify.max_user_instances`
  return causeText(cause)
}
