import { Console, Effect } from "effect"
import { Argument, Command } from "effect/cli"
import { backUp } from "../backup/backUp.ts"
import { databaseFile } from "../store/databaseFile.ts"
import { jsonFlag } from "./jsonFlag.ts"
import { printJson } from "./print.ts"

export const backup = Command.make(
  "backup",
  {
    file: Argument.String("file").pipe(Argument.withDescription("The new file, made with mode 0600")),
    json: jsonFlag
  },
  Effect.fn("backup")(function*({ file, json }) {
    const made = yield* backUp(yield* databaseFile("pg_dump --format=custom"), file)
    if (json) return yield* printJson(made)
    yield* Console.log(
      `${made.file} holds ${made.nodes} nodes and ${made.relays} relays, ${made.bytes} bytes, and was checked as a whole.` +
        (made.audit === null ? "" : `\nIts audit log ends with ${made.audit.id}:${made.audit.digest}`)
    )
  })
).pipe(
  Command.withDescription("Copy the database into a new file while servers run on it, and check the copy"),
  Command.withExamples([
    {
      command: "patela backup /var/backups/patela-$(date +%F).db",
      description: "One a day; put it back with patela restore"
    }
  ])
)
