import { Redacted, Result, Schema } from "effect"

/** A URL names no database that this server can open. */
export class DatabaseUrlRefused extends Schema.TaggedError<DatabaseUrlRefused>()("DatabaseUrlRefused", {
  message: Schema.String
}) {}

/** Where the data is. A URL of PostgreSQL may hold a password. */
export type Database =
  | { readonly engine: "sqlite"; readonly path: string }
  | { readonly engine: "postgres"; readonly url: Redacted.Redacted }

const EXAMPLE = "for example sqlite:/var/lib/patela/patela.db or postgres://patela@db.example.org/patela"

const isPostgres = (url: string): boolean => /^postgres(?:ql)?:\/\//.test(url)

/**
 * The database that a URL names: `sqlite:PATH`, or `postgres://USER:PASSWORD@HOST:PORT/NAME?OPTIONS` as libpq has it
 * (PostgreSQL manual, 34.1.1.2). The URL itself is never repeated in a message, for it may hold a password; `name` says
 * where it was read.
 */
export const databaseOf = (
  name: string,
  url: Redacted.Redacted | undefined
): Result.Result<Database, DatabaseUrlRefused> => {
  const refuse = (what: string) =>
    Result.fail(new DatabaseUrlRefused({ message: `${name} ${what}. Set it, ${EXAMPLE}` }))
  const text = url === undefined ? "" : Redacted.value(url)
  if (url === undefined || text === "") return refuse("is not set")
  if (isPostgres(text)) {
    if (!URL.canParse(text)) {
      return refuse("is no URL of PostgreSQL; characters such as / and @ in a password are written %2F and %40")
    }
    return new URL(text).pathname.length > 1
      ? Result.succeed({ engine: "postgres", url })
      : refuse("names no database after the host")
  }
  if (!text.startsWith("sqlite:")) return refuse("begins with neither sqlite: nor postgres://")
  const path = text.slice("sqlite:".length).replace(/^\/\/(?=\/)/, "")
  return path === "" ? refuse("names no file after sqlite:") : Result.succeed({ engine: "sqlite", path })
}

/** Whether a URL has a password in it, also as a parameter. */
export const holdsPassword = (url: Redacted.Redacted): boolean => {
  const text = Redacted.value(url)
  if (!URL.canParse(text)) return false
  const { password, searchParams } = new URL(text)
  return password !== "" || searchParams.has("password")
}
