import { Effect, Layer, Option, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { existsSync, linkSync, renameSync, rmSync } from "node:fs"
import { dirname, resolve } from "node:path"
import { Audit } from "../audit/Audit.ts"
import { now } from "../store/Column.ts"
import { layerAt } from "../store/Store.ts"
import { aloneOn } from "./aloneOn.ts"
import { copyDatabase, CopyFailed, flushed } from "./copyDatabase.ts"
import { type CopyContent, inspectCopy } from "./inspectCopy.ts"

/** A database is there, and nobody said that it may go. */
export class DatabaseNotEmpty
  extends Schema.TaggedError<DatabaseNotEmpty>()("DatabaseNotEmpty", { message: Schema.String })
{}

/** The database that was put back. `before` is what was there, null where that was nothing or could not be read. */
export interface Restored extends CopyContent {
  readonly file: string
  readonly kept_as: string | null
  readonly before: CopyContent | null
}

const isEmpty = ({ nodes, relays, audit }: CopyContent): boolean =>
  nodes === 0 && relays === 0 && (audit === null || audit.id === 0)

/** What is there now, once nobody else has it open; fails where it may not be replaced. */
const standing = Effect.fnUntraced(function*(file: string, replace: boolean) {
  if (!existsSync(file)) return null
  const { damaged } = yield* aloneOn(file)
  const before = damaged ? Option.none<CopyContent>() : yield* Effect.option(inspectCopy(file, "locked by us"))
  if (replace || Option.exists(before, isEmpty)) return Option.getOrNull(before)
  return yield* new DatabaseNotEmpty({
    message: Option.match(before, {
      onNone: () => `${file} is there, and is no whole database of Patela's.`,
      onSome: ({ nodes, relays }) => `${file} holds ${nodes} nodes and ${relays} relays.`
    }) + " To put the backup in its place, give --replace; the file is kept under another name"
  })
})

/**
 * Ends every session that began before, since the backup may be of before a node's tokens were revoked, and says in the
 * audit log what happened.
 */
const settled = Effect.fnUntraced(function*(who: string, source: string, before: CopyContent | null) {
  const sql = yield* SqlClient.SqlClient
  const audit = yield* Audit
  yield* sql.withTransaction(Effect.gen(function*() {
    // Of a machine that waits, 1 says that it was never enabled.
    yield* sql`UPDATE nodes SET epoch = epoch + 1 WHERE enabled = 1 OR epoch > 1`
    yield* audit.record({
      who,
      what: "database restored",
      before: before === null ? null : JSON.stringify(before),
      after: source
    })
  }))
})

/**
 * Puts a backup in the place of a database. It is brought to this version and checked as a whole beside it first, so that
 * the file changes from the one to the other at once or stays as it is; the old one keeps another name.
 */
export const restore = Effect.fn("restore")(function*(input: {
  readonly who: string
  readonly source: string
  readonly target: string
  readonly replace: boolean
}) {
  const { who, replace } = input
  const [source, file] = [resolve(input.source), resolve(input.target)]
  yield* inspectCopy(source)
  const before = yield* standing(file, replace)
  const fresh = `${file}.${process.pid}.restoring`
  yield* copyDatabase(source, fresh)
  yield* settled(who, source, before).pipe(Effect.provide(Layer.provideMerge(Audit.layer, layerAt(fresh))))
  const content = yield* inspectCopy(fresh)
  const kept = existsSync(file) ? `${file}.replaced-${(yield* now).replaceAll(/[-:]|\.\d+/g, "")}` : null
  yield* Effect.try({
    try: () => {
      flushed(fresh)
      if (kept !== null) linkSync(file, kept)
      // Only a damaged file has any of them still. They must not be taken for the log of the new one.
      for (const end of ["-wal", "-shm"]) {
        if (kept !== null && existsSync(file + end)) renameSync(file + end, kept + end)
        rmSync(fresh + end, { force: true })
      }
      renameSync(fresh, file)
      flushed(dirname(file))
    },
    catch: (cause) =>
      new CopyFailed({
        message: `The backup could not be put in the place of ${file}, which is as it was: ${
          cause instanceof Error ? cause.message : "the system gave no reason"
        }`
      })
  })
  const restored: Restored = { file, kept_as: kept, before, ...content }
  return restored
}, Effect.scoped)
