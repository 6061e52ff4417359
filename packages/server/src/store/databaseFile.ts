import { Config, Effect, Option } from "effect"
import { DatabaseUrlRefused, sqlitePathOf } from "./DatabaseUrl.ts"

/** The SQLite file that DATABASE_URL names; `elsewhere` is what does the same for PostgreSQL. */
export const databaseFile = Effect.fnUntraced(function*(elsewhere: string) {
  const url = Option.getOrUndefined(yield* Effect.orDie(Config.option(Config.String("DATABASE_URL"))))
  if (url !== undefined && /^postgres(ql)?:/.test(url)) {
    return yield* new DatabaseUrlRefused({
      message: `DATABASE_URL names PostgreSQL, which has tools of its own: ${elsewhere}`
    })
  }
  return yield* Effect.fromResult(sqlitePathOf(url))
})
