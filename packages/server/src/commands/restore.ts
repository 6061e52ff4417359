import { Console, Effect } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { restore as putBack, type Restored } from "../backup/restore.ts"
import { databaseFile } from "../store/databaseFile.ts"
import { administrator } from "./administrator.ts"
import { jsonFlag } from "./jsonFlag.ts"
import { printJson } from "./print.ts"

const lower = ({ generation, before }: Restored): boolean =>
  generation !== null && before?.generation !== null && before?.generation !== undefined &&
  generation < before.generation

const text = (restored: Restored): string =>
  [
    `${restored.file} holds ${restored.nodes} nodes and ${restored.relays} relays, of the backup. Every node authenticates ` +
    "again by itself.",
    ...restored.kept_as === null ? [] : [`What was there is kept as ${restored.kept_as}`],
    ...lower(restored)
      ? [
        `The generation of the configuration went back from ${restored.before?.generation} to ${restored.generation}: nodes ` +
        "are listed as ahead, and remove nothing until it is past that again."
      ]
      : []
  ].join("\n")

export const restore = Command.make(
  "restore",
  {
    file: Argument.String("file").pipe(Argument.withDescription("A file that `patela backup` made")),
    replace: Flag.Boolean("replace").pipe(
      Flag.withDescription("Also where a database is there that is not empty; it is kept under another name"),
      Flag.withDefault(false)
    ),
    json: jsonFlag
  },
  Effect.fn("restore")(function*({ file, replace, json }) {
    const target = yield* databaseFile("pg_restore")
    const restored = yield* putBack({ who: yield* administrator, source: file, target, replace })
    yield* json ? printJson(restored) : Console.log(text(restored))
  })
).pipe(
  Command.withDescription("Put a backup in the place of the database. No server may run on it meanwhile"),
  Command.withExamples([
    {
      command: "patela restore /var/backups/patela-2026-03-01.db",
      description: "Where there is no database, or an empty one"
    },
    { command: "patela restore patela.db.bak --replace", description: "In the place of one that there is" }
  ])
)
