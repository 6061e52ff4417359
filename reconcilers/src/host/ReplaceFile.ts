import { Context, Effect, Layer, Schema } from "effect"
import { randomBytes } from "node:crypto"
import { constants } from "node:fs"
import * as fs from "node:fs/promises"
import { basename, dirname } from "node:path"
import { OWNER, sweepDead } from "./SweepDead.ts"

/** A file could not be written: full disk, missing directory, no right to. */
export class FileNotWritten extends Schema.TaggedError<FileNotWritten>()("FileNotWritten", {
  path: Schema.String,
  message: Schema.String
}) {}

export interface NewFile {
  readonly path: string
  readonly content: string | Uint8Array
  readonly mode: number
  readonly uid: number
  readonly gid: number
}

/**
 * Puts a whole file in place of another, or nothing: it is written beside its place, given its owner and mode before
 * it has its name, synchronised, and renamed (rename(2) is atomic). A reader sees the old file or the new one.
 *
 * The directory is opened once and the file is reached through /proc/self/fd, so that whoever owns a parent directory
 * cannot lead the write elsewhere by swapping the directory for a link (proc(5)). `path` itself may not be a link to
 * a directory.
 */
export class ReplaceFile extends Context.Service<ReplaceFile, {
  readonly replace: (file: NewFile) => Effect.Effect<void, FileNotWritten>
}>()("@patela/reconcilers/host/ReplaceFile") {
  static readonly layer = Layer.succeed(
    ReplaceFile,
    ReplaceFile.of({
      replace: Effect.fn("ReplaceFile.replace")(function*(file: NewFile) {
        yield* Effect.tryPromise({
          try: () => replaceNow(file),
          catch: (cause) =>
            new FileNotWritten({
              path: file.path,
              message: `cannot write ${file.path}: ${cause instanceof Error ? cause.message : String(cause)}`
            })
        })
      })
    })
  )
}

/** Names of files that were not in their place yet when whoever wrote them was killed. */
const TEMPORARY = /^\..+\.patela-(\d+)-[0-9a-f]{12}$/

const replaceNow = async (file: NewFile): Promise<void> => {
  const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW
  await using directory = await fs.open(dirname(file.path), flags)
  const inside = `/proc/self/fd/${directory.fd}`
  await sweepDead(inside, "files", TEMPORARY)
  const temporary = `${inside}/.${basename(file.path)}.patela-${OWNER}-${randomBytes(6).toString("hex")}`
  try {
    await using handle = await fs.open(temporary, "wx", 0o600)
    await handle.writeFile(file.content)
    await handle.chown(file.uid, file.gid)
    await handle.chmod(file.mode)
    await handle.sync()
    await fs.rename(temporary, `${inside}/${basename(file.path)}`)
  } catch (cause) {
    await fs.rm(temporary, { force: true })
    throw cause
  }
}
