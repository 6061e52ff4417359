import { RUNTIME_DIRECTORY } from "@patela/reconcilers/host/HostPaths"
import { ReplaceFile } from "@patela/reconcilers/host/ReplaceFile"
import { Context, Effect, Equal, Layer, Option, Ref, Schema } from "effect"
import * as fs from "node:fs/promises"
import { AgentStatus } from "./AgentStatus.ts"

/** Where a running agent says how the node stands. */
export const STATUS_PATH = `${RUNTIME_DIRECTORY}/status.json`

const Text = Schema.fromJsonString(AgentStatus)

/** There is no status, or none that can be understood. */
export class StatusUnreadable extends Schema.TaggedError<StatusUnreadable>()("StatusUnreadable", {
  message: Schema.String
}) {}

/** The status that was last written on this boot. */
export const readStatus = Effect.fn("readStatus")(function*(path: string) {
  const text = yield* Effect.tryPromise({
    try: () => fs.readFile(path, "utf8"),
    catch: () =>
      new StatusUnreadable({
        message: `there is no ${path}: no agent has made a pass since this node booted. See: systemctl status ` +
          "patela-agent patela-agent-watch"
      })
  })
  return yield* Schema.decodeEffect(Text)(text).pipe(
    Effect.mapError(({ message }) =>
      new StatusUnreadable({ message: `${path} cannot be understood: ${message}. The next pass writes it anew.` })
    )
  )
})

/** Keeps the status file; writes nothing where it says so already. */
export class StatusFile extends Context.Service<StatusFile, {
  /** Gives the next status from the one before. */
  readonly update: (next: (before: AgentStatus | undefined) => AgentStatus) => Effect.Effect<AgentStatus>
}>()("@patela/agent/status/StatusFile") {
  static readonly layerAt = (path: string) =>
    Layer.effect(
      StatusFile,
      Effect.gen(function*() {
        const { replace } = yield* ReplaceFile
        const current = yield* Ref.make(Option.getOrUndefined(yield* Effect.option(readStatus(path))))
        return StatusFile.of({
          update: Effect.fn("StatusFile.update")(function*(next) {
            const before = yield* Ref.get(current)
            const after = next(before)
            if (before !== undefined && Equal.equals(after, before)) return before
            yield* Ref.set(current, after)
            yield* Schema.encodeEffect(Text)(after).pipe(
              Effect.flatMap((content) => replace({ path, content, mode: 0o600, uid: 0, gid: 0 })),
              Effect.catch(({ message }) => Effect.logWarning(`the status was not written: ${message}`))
            )
            return after
          })
        })
      })
    )

  static readonly layer = StatusFile.layerAt(STATUS_PATH)
}
