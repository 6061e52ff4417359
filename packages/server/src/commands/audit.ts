import { Console, Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import { Audit } from "../audit/Audit.ts"
import { auditVerify } from "./auditVerify.ts"
import { CommandFailed } from "./CommandFailed.ts"
import { jsonFlag } from "./jsonFlag.ts"
import { printJson } from "./print.ts"
import { StoreServices } from "./StoreServices.ts"
import { plain, table } from "./table.ts"

const LONGEST_SHOWN = 40

const short = (text: string | null): string => {
  const line = plain(text ?? "-")
  return line.length > LONGEST_SHOWN ? `${line.slice(0, LONGEST_SHOWN - 3)}...` : line
}

/** A time as the database keeps it; a date alone is its first moment, UTC (ECMA-262, 21.4.1.32). */
const timeOf = Effect.fnUntraced(function*(text: string) {
  const millis = Date.parse(text)
  if (!Number.isNaN(millis)) return new Date(millis).toISOString()
  return yield* new CommandFailed({
    message: "--since takes a date or a time, for example 2026-03-01 or 2026-03-01T12:00:00Z"
  })
})

export const audit = Command.make(
  "audit",
  {
    last: Flag.Int("last").pipe(Flag.withDescription("How many of the newest entries"), Flag.withDefault(50)),
    who: Flag.String("who").pipe(
      Flag.withDescription("Only what this login, `node N` or `server` did"),
      Flag.optional
    ),
    what: Flag.String("what").pipe(Flag.withDescription("Only entries with this text in WHAT"), Flag.optional),
    since: Flag.String("since").pipe(Flag.withDescription("Only entries from this date or time on"), Flag.optional),
    json: jsonFlag
  },
  Effect.fn("audit")(function*({ last, who, what, since, json }) {
    const entries = yield* (yield* Audit).newest(Math.max(0, last), {
      ...Option.isSome(who) ? { who: who.value } : {},
      ...Option.isSome(what) ? { what: what.value } : {},
      ...Option.isSome(since) ? { since: yield* timeOf(since.value) } : {}
    })
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
  Command.withExamples([
    { command: "patela audit --last 10 --json", description: "The last ten, in full" },
    { command: "patela audit --who alice --since 2026-03-01", description: "What one person did" },
    { command: "patela audit --what torrc", description: "Changes of torrc layers" },
    { command: "patela audit verify", description: "Whether the log is as it was written" }
  ]),
  Command.provide(StoreServices),
  Command.withSubcommands([auditVerify])
)
