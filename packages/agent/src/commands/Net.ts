import { Effect } from "effect"
import { Command } from "effect/cli"
import { json } from "./AgentFlags.ts"

const List = Command.make(
  "list",
  { json },
  Effect.fn("net list")(function*(options) {
    const { listLinks } = yield* Effect.promise(() => import("./listLinks.ts"))
    yield* listLinks(options)
  })
).pipe(
  Command.withDescription("List the links with their IPv4 addresses, and the one that relays would use"),
  Command.withExamples([{ command: "patela-agent net list" }, { command: "patela-agent net list --json" }])
)

/** `patela-agent net`. */
export const Net = Command.make("net").pipe(
  Command.withDescription("Look at the host's network"),
  Command.withSubcommands([List])
)
