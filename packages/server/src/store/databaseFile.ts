import { Config, Effect, Option } from "effect"
import { databaseOf, DatabaseUrlRefused } from "./DatabaseUrl.ts"

/** The SQLite file that DATABASE_URL names; `elsewhere` is what does the same for PostgreSQL. */
export const databaseFile = Effect.fnUntraced(function*(elsewhere: string) {
  const url = Option.getOrUndefined(yield* Effect.orDie(Config.option(Config.Redacted("DATABASE_URL"))))
  const database = yield* Effect.fromResult(databaseOf("DATABASE_URL", url))
  if (database.engine === "sqlite") return database.path
  return yield* new DatabaseUrlRefused({
    message: `DATABASE_URL names PostgreSQL, which has tools of its own: ${elsewhere}`
  })
})
