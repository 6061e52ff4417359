import { Effect } from "effect"
import { temporaryDirectory } from "./temporaryDirectory.ts"
import { testDatabase } from "./testDatabase.ts"

/** A folder, and the environment that an operator would have for it. */
export const house = Effect.gen(function*() {
  const folder = yield* temporaryDirectory
  const { url } = yield* testDatabase(folder)
  return { folder, variables: { HOME: folder, DATABASE_URL: url } }
})
