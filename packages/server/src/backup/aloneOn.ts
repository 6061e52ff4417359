import { Effect, Schema } from "effect"
import { closeSync, openSync, readSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"

/** Another process has the database open. */
export class DatabaseInUse extends Schema.TaggedError<DatabaseInUse>()("DatabaseInUse", { message: Schema.String }) {}

/** How long is waited for a command that is just reading, in milliseconds. */
const PATIENCE = 1000

/** Primary result codes (sqlite.org/rescode): somebody has it; the file is damaged, or is none of SQLite's. */
const BUSY = 5
const CORRUPT = 11
const NOT_A_DATABASE = 26

/** How every database file begins (sqlite.org/fileformat2, "Magic Header String"); an empty one is a new database. */
const looksLikeDatabase = (path: string): boolean => {
  const start = Buffer.alloc(16)
  const file = openSync(path, "r")
  try {
    const read = readSync(file, start, 0, start.length, 0)
    return read === 0 || start.toString("latin1") === "SQLite format 3\u0000"
  } finally {
    closeSync(file)
  }
}

const codeOf = (cause: unknown): number =>
  cause instanceof Error && "errcode" in cause && typeof cause.errcode === "number" ? cause.errcode & 0xff : 0

/**
 * Keeps everybody else out of a database file until the scope ends, and fails where somebody is in. Each connection that
 * uses a write-ahead log holds a shared lock of the file for as long as it is open (sqlite.org/wal, "Use of WAL without
 * shared memory"), so leaving that mode succeeds for nobody but the last. The file is whole without its log from then on.
 * A damaged file, which nobody can use, is let through: whether it is.
 */
export const aloneOn = Effect.fn("aloneOn")(function*(path: string) {
  // SQLite would clean up after a file that is none, and take the log away that may still be of use to somebody.
  if (!looksLikeDatabase(path)) return { damaged: true }
  const database = yield* Effect.acquireRelease(
    Effect.sync(() => new DatabaseSync(path, { timeout: PATIENCE })),
    (opened) => Effect.sync(() => opened.close())
  )
  return yield* Effect.try({
    try: () => {
      database.exec("PRAGMA locking_mode = EXCLUSIVE")
      const mode = database.prepare("PRAGMA journal_mode = DELETE").get()?.["journal_mode"]
      database.exec("BEGIN EXCLUSIVE; COMMIT")
      return mode === "delete"
    },
    catch: codeOf
  }).pipe(
    Effect.filterOrFail((alone) => alone, () => BUSY),
    Effect.as({ damaged: false }),
    Effect.catch((code) =>
      code === CORRUPT || code === NOT_A_DATABASE
        ? Effect.succeed({ damaged: true })
        : Effect.fail(
          new DatabaseInUse({
            message: `A server or a command has ${path} open. Stop every patela that uses it, then try again`
          })
        )
    )
  )
})
