import { Redacted, Result, Schema } from "effect"

/** A URL names no database that this server can open. */
export class DatabaseUrlRefused extends Schema.TaggedError<DatabaseUrlRefused>()("DatabaseUrlRefused", {
  message: Schema.String
}) {}

/** A database of PostgreSQL. `direct` goes to PostgreSQL itself, where `url` goes through a pooler of connections. */
export interface PostgresDatabase {
  readonly engine: "postgres"
  readonly url: Redacted.Redacted
  readonly direct?: Redacted.Redacted
}

/** Where the data is. A URL of PostgreSQL may hold a password. */
export type Database = { readonly engine: "sqlite"; readonly path: string } | PostgresDatabase

const EXAMPLE = "for example sqlite:/var/lib/patela/patela.db or " +
  "postgres://patela@db.example.org/patela?sslmode=verify-full"

const isPostgres = (url: string): boolean => /^postgres(?:ql)?:\/\//.test(url)

/** A host that is this machine: a loopback address, or the folder of a unix socket. */
const LOCAL = /^(?:|localhost|127(?:\.\d+){3}|\[::1\]|%2f.*|\/.*)$/i

/** The hosts of a URL as it is written, which is no URL to others where there are several. */
const hostsOf = (text: string): string => {
  const [, authority = ""] = /^[^:]+:\/\/([^/?#]*)/.exec(text) ?? []
  const [, parameter = ""] = /[?&]host=([^&#]*)/.exec(text) ?? []
  return authority.slice(authority.lastIndexOf("@") + 1) + parameter
}

/** What is wrong with a URL of PostgreSQL, or undefined. */
const faultOf = (text: string): string | undefined => {
  // libpq tries one after another, and @effect/sql-pg knows one.
  if (hostsOf(text).includes(",")) {
    return "names several hosts, of which only one can be used: a name or an address that moves to whichever has the database"
  }
  if (!URL.canParse(text)) {
    return "is no URL of PostgreSQL; characters such as / and @ in a password are written %2F and %40"
  }
  const { hostname, pathname, searchParams } = new URL(text)
  if (pathname.length <= 1) return "names no database after the host"
  // Without it nothing is encrypted, and nothing would say so.
  if (searchParams.has("sslmode") || LOCAL.test(searchParams.get("host") ?? hostname)) return undefined
  return "goes to another machine and does not say sslmode: verify-full, or disable where nobody else is on that network"
}

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
    const fault = faultOf(text)
    return fault === undefined ? Result.succeed({ engine: "postgres", url }) : refuse(fault)
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
