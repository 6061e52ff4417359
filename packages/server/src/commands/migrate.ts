import { Config, Console, Effect, Option, Redacted } from "effect"
import { Command, Flag } from "effect/cli"
import { withPassword } from "../store/databasePassword.ts"
import { databaseOf, holdsPassword } from "../store/DatabaseUrl.ts"
import { administrator } from "./administrator.ts"
import { CommandFailed } from "./CommandFailed.ts"
import { jsonFlag } from "./jsonFlag.ts"
import { printJson } from "./print.ts"
import { table } from "./table.ts"

const PASSWORD = "Its password belongs in PATELA_DATABASE_PASSWORD, itself or as file:PATH"

/** Where it goes: the argument, which every user of the machine can read, or DATABASE_URL, which they cannot. */
const targetOf = Effect.fnUntraced(function*(to: Option.Option<string>) {
  const given = Option.map(to, (text) => Redacted.make(text))
  if (Option.exists(given, holdsPassword)) {
    return yield* new CommandFailed({
      message: `--to has a password in it, which every user of this machine could read. ${PASSWORD}`
    })
  }
  const name = Option.isSome(given) ? "--to" : "DATABASE_URL"
  const url = Option.isSome(given) ? given : yield* Effect.orDie(Config.option(Config.Redacted("DATABASE_URL")))
  const database = yield* Effect.fromResult(databaseOf(name, Option.getOrUndefined(url)))
  const complete = yield* withPassword(database)
  if (complete.engine === "postgres") return complete.url
  return yield* new CommandFailed({
    message:
      `${name} is the SQLite file. Say where it goes: --to postgres://patela@db.example.org/patela?sslmode=verify-full`
  })
})

const sqliteToPostgres = Command.make(
  "sqlite-to-postgres",
  {
    from: Flag.String("from").pipe(
      Flag.withDescription("The file, sqlite:PATH. It is only read"),
      Flag.withMetavar("sqlite:PATH")
    ),
    to: Flag.String("to").pipe(
      Flag.withDescription(
        `The PostgreSQL database, which must be empty; DATABASE_URL where it is not said. ${PASSWORD}`
      ),
      Flag.withMetavar("postgres://USER@HOST/NAME"),
      Flag.optional
    ),
    dryRun: Flag.Boolean("dry-run").pipe(
      Flag.withDescription("Do all of it, and then take it back"),
      Flag.withDefault(false)
    ),
    json: jsonFlag
  },
  Effect.fn("migrate.sqlite-to-postgres")(function*({ from, to, dryRun, json }) {
    const source = yield* Effect.fromResult(databaseOf("--from", Redacted.make(from)))
    if (source.engine !== "sqlite") return yield* new CommandFailed({ message: "--from is a file: sqlite:PATH" })
    const url = yield* targetOf(to)
    // Loaded only here: other commands need none of it.
    const { transfer } = yield* Effect.promise(() => import("../transfer/transfer.ts"))
    const tables = yield* transfer({ path: source.path, to: url, who: yield* administrator, rehearse: dryRun })
    if (json) return yield* printJson({ dry_run: dryRun, tables })
    const rows = tables.reduce((sum, each) => sum + each.rows, 0)
    yield* Console.log(table(["TABLE", "ROWS"], tables.map((each) => [each.name, String(each.rows)])))
    yield* Console.log(
      dryRun
        ? `\nAll ${rows} rows can be copied. Nothing was changed.`
        : `\nAll ${rows} rows are copied and counted. Give every server DATABASE_URL with the new database and start them. ` +
          `Keep ${source.path} until they did; a server that is started with it again would be another fleet.`
    )
  })
).pipe(
  Command.withDescription(
    "Copy a SQLite file into an empty PostgreSQL database, whole or not at all. Stop the servers first: what they write to " +
      "the file afterwards is not copied"
  ),
  Command.withShortDescription("Copy a SQLite file into PostgreSQL"),
  Command.withExamples([
    {
      command: "patela migrate sqlite-to-postgres --from sqlite:/var/lib/patela/patela.db " +
        "--to postgres://patela@db.example.org/patela?sslmode=verify-full --dry-run",
      description: "Whether it would work; the password is in PATELA_DATABASE_PASSWORD"
    }
  ])
)

export const migrate = Command.make("migrate").pipe(
  Command.withDescription("Move the data to another database"),
  Command.withSubcommands([sqliteToPostgres])
)
