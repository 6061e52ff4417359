import type { RelayName } from "@patela/domain/relay/RelayName"
import { Context, Effect, Layer } from "effect"
import * as fs from "node:fs/promises"
import { dropInDirectoryOf, dropInFileOf } from "../host/HostPaths.ts"
import { FileNotWritten, ReplaceFile } from "../host/ReplaceFile.ts"
import { causeText, errorCode } from "../host/SystemError.ts"
import { type DesiredDropIn, DROP_IN_MODE } from "./DesiredDropIn.ts"

/** Writes and removes Patela's drop-ins; systemd is told apart. */
export class DropInWriter extends Context.Service<DropInWriter, {
  /** Makes the unit's drop-in directory where there is none. */
  readonly write: (dropIn: DesiredDropIn) => Effect.Effect<void, FileNotWritten>
  /** Removes the file, and its directory where nothing else is in it. */
  readonly remove: (relay: RelayName) => Effect.Effect<void, FileNotWritten>
}>()("@patela/reconcilers/drop-ins/DropInWriter") {
  static readonly layer: Layer.Layer<DropInWriter, never, ReplaceFile> = Layer.effect(
    DropInWriter,
    Effect.gen(function*() {
      const files = yield* ReplaceFile
      const attempt = (path: string, what: string, work: () => Promise<unknown>) =>
        Effect.tryPromise({
          try: work,
          catch: (cause) => new FileNotWritten({ path, message: `cannot ${what} ${path}: ${causeText(cause)}` })
        })
      return DropInWriter.of({
        write: Effect.fn("DropInWriter.write")(function*({ content, relay }) {
          const directory = dropInDirectoryOf(relay)
          yield* attempt(directory, "make", () => makeDirectory(directory))
          yield* files.replace({ path: dropInFileOf(relay), content, mode: DROP_IN_MODE, uid: 0, gid: 0 })
        }),
        remove: Effect.fn("DropInWriter.remove")(function*(relay) {
          const [directory, path] = [dropInDirectoryOf(relay), dropInFileOf(relay)]
          yield* attempt(path, "remove", () => fs.rm(path, { force: true }))
          yield* attempt(directory, "remove", () => removeWhereEmpty(directory))
        })
      })
    })
  )
}

/** The agent's umask may keep others from reading it, and what systemd does is no secret. */
const makeDirectory = async (path: string): Promise<void> => {
  const made = await fs.mkdir(path, { recursive: true, mode: 0o755 })
  if (made !== undefined) await fs.chmod(path, 0o755)
}

const removeWhereEmpty = async (path: string): Promise<void> => {
  try {
    await fs.rmdir(path)
  } catch (cause) {
    if (!["ENOENT", "ENOTEMPTY", "EEXIST"].includes(errorCode(cause) ?? "")) throw cause
  }
}
