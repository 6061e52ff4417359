import { Console, Effect } from "effect"
import { Command, Flag } from "effect/cli"
import { Audit } from "../audit/Audit.ts"
import { jsonFlag } from "./jsonFlag.ts"
import { printJson } from "./print.ts"
import { StoreServices } from "./StoreServices.ts"
import { plain, table } from "./table.ts"

const LONGEST_SHOWN = 40

const short = (text: string | null): string => {
  const line = plain(text ?? "-")
  return line.length > LONGEST_SHOWN ? `${line.slice(0, LONGEST_SHOWN - 3)}...` : line
}

export const audit = Command.make(
  "audit",
  {
    last: Flag.Int("last").pipe(Flag.withDescription("How many of the newest entries"), Flag.withDefault(50)),
    json: jsonFlag
  },
  Effect.fn("audit")(function*({ last, json }) {
    const entries = yield* (yield* Audit).newest(Math.max(0, last))
    if (json) return yield* printJson({ entries })
    yield* Console.log(
      table(
        ["WHEN (UTC)", "WHO", "WHAT", "BEFORE", "AFTER"],
        entries.map((entry) => [
          entry.happened_at.slice(0, 19).replace("T", " "),
          plain(entry.who),
          plain(entry.what),
          short(entry.value_before),
          short(entry.value_after)
        ])
      )
    )
  })
).pipe(
  Command.withDescription("Who changed what and when, the newest first"),
  Command.withExamples([{ command: "patela audit --last 10 --json", description: "The last ten, in full" }]),
  Command.provide(StoreServices)
)
