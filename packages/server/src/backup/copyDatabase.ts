import { Effect, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { closeSync, fsyncSync, openSync, rmSync } from "node:fs"
import { dirname } from "node:path"
import * as SqliteClient from "../store/SqliteClient.ts"

/** A copy could not be made; nothing of it is left. */
export class CopyFailed extends Schema.TaggedError<CopyFailed>()("CopyFailed", { message: Schema.String }) {}

/** What is at a path is on the disk, also where the path is a folder. */
export const flushed = (path: string): void => {
  const file = openSync(path, "r")
  try {
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

const ADVICE = "Check that there is room, and that you may write in"

/**
 * Copies a database as it is at one moment, while others write to it: `VACUUM INTO` (sqlite.org/lang_vacuum) reads in one
 * transaction. The copy is a new file of mode 0600 without a log beside it, removed with the scope unless it was given
 * another name by then.
 */
export const copyDatabase = Effect.fn("copyDatabase")(function*(source: string, target: string) {
  yield* Effect.acquireRelease(
    Effect.try({
      // SQLite writes into an empty file, which keeps its mode.
      try: () => closeSync(openSync(target, "wx", 0o600)),
      catch: (cause) =>
        new CopyFailed({
          message:
            `${target} cannot be made: ${cause instanceof Error ? cause.message : "the system gave no reason"}. ` +
            `${ADVICE} ${dirname(target)}`
        })
    }),
    () =>
      Effect.sync(() => {
        for (const end of ["", "-wal", "-shm", "-journal"]) rmSync(target + end, { force: true })
      })
  )
  yield* Effect.flatMap(SqlClient.SqlClient, (sql) => sql`VACUUM INTO ${target}`).pipe(
    Effect.provide(SqliteClient.layerToRead(source)),
    Effect.mapError(({ reason }) =>
      new CopyFailed({ message: `${source} could not be copied: ${reason.message}. ${ADVICE} ${dirname(target)}` })
    )
  )
  yield* Effect.sync(() => flushed(target))
})
