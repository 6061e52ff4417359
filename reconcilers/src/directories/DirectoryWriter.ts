import { Context, Effect, Layer, Schema } from "effect"
import { constants } from "node:fs"
import * as fs from "node:fs/promises"
import { basename, dirname } from "node:path"
import { HostCommand } from "../host/HostCommand.ts"
import { causeText, errorCode } from "../host/SystemError.ts"
import type { DirectorySpec } from "./DesiredDirectories.ts"

/** A directory could not be made, given its owner and mode, or removed. */
export class DirectoryNotWritten extends Schema.TaggedError<DirectoryNotWritten>()("DirectoryNotWritten", {
  path: Schema.String,
  message: Schema.String
}) {}

/** Makes, repairs and removes directories. */
export class DirectoryWriter extends Context.Service<DirectoryWriter, {
  /** Makes the directory if nothing is there, and gives it owner and mode. Never follows a link. */
  readonly ensure: (directory: DirectorySpec) => Effect.Effect<void, DirectoryNotWritten>
  /** Removes a directory with everything in it, on its own file system alone; content that is gone is well gone. */
  readonly remove: (path: string) => Effect.Effect<void, DirectoryNotWritten>
}>()("@patela/reconcilers/directories/DirectoryWriter") {
  static readonly layer: Layer.Layer<DirectoryWriter, never, HostCommand> = Layer.effect(
    DirectoryWriter,
    Effect.gen(function*() {
      const command = yield* HostCommand
      return DirectoryWriter.of({
        ensure: Effect.fn("DirectoryWriter.ensure")((directory) =>
          Effect.tryPromise({
            try: () => ensureNow(directory),
            catch: (cause) => notWritten("make", directory.path, causeText(cause))
          })
        ),
        // The content belongs to the relay's user: rm(1) of coreutils walks by open directories (openat(2)), so no
        // directory that is swapped for a link on the way leads it elsewhere, which removal by path would allow.
        remove: Effect.fn("DirectoryWriter.remove")(function*(path) {
          yield* Effect.mapError(
            command.run("rm", ["--recursive", "--force", "--one-file-system", "--", path], { timeout: 60_000 }),
            ({ message }) => notWritten("remove", path, message)
          )
        })
      })
    })
  )
}

/**
 * The directory is made and changed through an open handle of its parent, so that the owner of the parent, a relay's
 * user, cannot lead a chown elsewhere by swapping a directory for a link (proc(5), /proc/PID/fd).
 */
const ensureNow = async ({ gid, mode, path, uid }: DirectorySpec): Promise<void> => {
  const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW
  await using parent = await fs.open(dirname(path), flags)
  const inside = `/proc/self/fd/${parent.fd}/${basename(path)}`
  try {
    await fs.mkdir(inside, { mode: 0o700 })
  } catch (cause) {
    if (errorCode(cause) !== "EEXIST") throw cause
  }
  await using directory = await fs.open(inside, flags)
  // The owner first: chown(2) may take bits away that chmod gave.
  await directory.chown(uid, gid)
  await directory.chmod(mode)
}

const notWritten = (what: "make" | "remove", path: string, why: string): DirectoryNotWritten =>
  new DirectoryNotWritten({ path, message: `cannot ${what} ${path}: ${why}` })
