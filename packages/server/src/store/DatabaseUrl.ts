import { Result, Schema } from "effect"

/** DATABASE_URL says nothing that this server can open. */
export class DatabaseUrlRefused extends Schema.TaggedError<DatabaseUrlRefused>()("DatabaseUrlRefused", {
  message: Schema.String
}) {}

const EXAMPLE = "Set it to a file, for example DATABASE_URL=sqlite:/var/lib/patela/patela.db"

/** Where the data is: the path in `sqlite:PATH`. The URL itself is never repeated, for it may hold a password. */
export const sqlitePathOf = (url: string | undefined): Result.Result<string, DatabaseUrlRefused> => {
  const refuse = (message: string) => Result.fail(new DatabaseUrlRefused({ message }))
  if (url === undefined || url === "") return refuse(`DATABASE_URL is not set. ${EXAMPLE}`)
  if (/^postgres(ql)?:/.test(url)) {
    return refuse(`DATABASE_URL names PostgreSQL, which this version does not speak yet. ${EXAMPLE}`)
  }
  if (!url.startsWith("sqlite:")) return refuse(`DATABASE_URL does not begin with sqlite: . ${EXAMPLE}`)
  const path = url.slice("sqlite:".length).replace(/^\/\/(?=\/)/, "")
  return path === "" ? refuse(`DATABASE_URL names no file after sqlite: . ${EXAMPLE}`) : Result.succeed(path)
}
