import { Config, Effect, FileSystem, Option, Redacted } from "effect"
import { type Database, DatabaseUrlRefused, holdsPassword } from "./DatabaseUrl.ts"

const VARIABLE = "PATELA_DATABASE_PASSWORD"

const fromSetting = Effect.fnUntraced(function*(setting: string) {
  if (!setting.startsWith("file:")) return setting
  const path = setting.slice("file:".length)
  const fs = yield* FileSystem.FileSystem
  const text = yield* fs.readFileString(path).pipe(
    Effect.mapError(({ reason }) =>
      new DatabaseUrlRefused({ message: `${VARIABLE} names the file ${path}, which cannot be read: ${reason._tag}` })
    )
  )
  return text.replace(/\r?\n$/, "")
})

/**
 * The same database, with the password of PATELA_DATABASE_PASSWORD where its URL has none: the password itself, or
 * `file:PATH` of a file that holds it.
 */
export const withPassword = Effect.fn("withPassword")(function*(database: Database) {
  if (database.engine === "sqlite" || holdsPassword(database.url)) return database
  const setting = yield* Effect.orDie(Config.option(Config.Redacted(VARIABLE)))
  if (Option.isNone(setting) || Redacted.value(setting.value) === "") return database
  const url = new URL(Redacted.value(database.url))
  url.password = encodeURIComponent(yield* fromSetting(Redacted.value(setting.value)))
  return { engine: "postgres", url: Redacted.make(url.href) } satisfies Database
})
