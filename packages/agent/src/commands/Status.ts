import { Effect } from "effect"
import { Command } from "effect/cli"
import { json } from "./AgentFlags.ts"

/** `patela-agent status`: how the node stands, from the status file of the last pass and from systemd. */
export const Status = Command.make(
  "status",
  { json },
  Effect.fn("status")(function*(options) {
    const { showStatus } = yield* Effect.promise(() => import("./showStatus.ts"))
    yield* showStatus(options)
  })
).pipe(
  Command.withDescription(
    "Show how this node stands: its relays, since when, what is blocked and why, and what tor says is missing until a " +
      "relay is of use; exits 0 when all is as configured, 3 when something is not, 1 when it cannot tell"
  ),
  Command.withShortDescription("Show how this node stands"),
  Command.withExamples([{ command: "patela-agent status" }, { command: "patela-agent status --json" }])
)
