import { Effect } from "effect"
import { existsSync, linkSync, rmSync, statSync } from "node:fs"
import { dirname, resolve } from "node:path"
import { copyDatabase, CopyFailed, flushed } from "./copyDatabase.ts"
import { type CopyContent, inspectCopy } from "./inspectCopy.ts"

/** A backup that was made and looked at. */
export interface BackedUp extends CopyContent {
  readonly file: string
  readonly bytes: number
}

/**
 * Backs a database up into a new file, while servers run on it. The file has its name only once it was checked as a whole,
 * so what bears the name is good.
 */
export const backUp = Effect.fn("backUp")(function*(source: string, target: string) {
  const file = resolve(target)
  if (!existsSync(source)) return yield* new CopyFailed({ message: `There is no database at ${source} to back up` })
  const taken = new CopyFailed({ message: `${file} exists already and is left as it is. Name another file` })
  if (existsSync(file)) return yield* taken
  const partial = `${file}.${process.pid}.partial`
  yield* copyDatabase(source, partial)
  const content = yield* inspectCopy(partial)
  yield* Effect.try({
    // A link is never made over a file that is there, as a rename is.
    try: () => {
      linkSync(partial, file)
      rmSync(partial)
      flushed(dirname(file))
    },
    catch: () => taken
  })
  const made: BackedUp = { file, bytes: statSync(file).size, ...content }
  return made
}, Effect.scoped)
