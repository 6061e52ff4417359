import { Config, Effect, Option } from "effect"
import { withPassword } from "./databasePassword.ts"
import { databaseOf, DatabaseUrlRefused } from "./DatabaseUrl.ts"
import { DIRECT_URL } from "./pooled.ts"

const url = (name: string) => Effect.map(Effect.orDie(Config.option(Config.Redacted(name))), Option.getOrUndefined)

/**
 * The database that the settings name, with its password. Where connections to PostgreSQL are pooled in front of it,
 * PATELA_DATABASE_DIRECT_URL names PostgreSQL itself.
 */
export const settingsDatabase = Effect.gen(function*() {
  const database = yield* Effect.flatMap(
    Effect.fromResult(databaseOf("DATABASE_URL", yield* url("DATABASE_URL"))),
    withPassword
  )
  const directly = yield* url(DIRECT_URL)
  if (directly === undefined) return database
  const direct = yield* Effect.flatMap(Effect.fromResult(databaseOf(DIRECT_URL, directly)), withPassword)
  if (database.engine === "postgres" && direct.engine === "postgres") return { ...database, direct: direct.url }
  return yield* new DatabaseUrlRefused({
    message:
      `${DIRECT_URL} is for a DATABASE_URL of PostgreSQL that goes through a pooler, and both name the same database ` +
      "there. Take it out of the settings, or correct DATABASE_URL"
  })
})
