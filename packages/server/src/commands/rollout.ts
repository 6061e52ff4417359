import type { NodeId } from "@patela/domain/node/NodeId"
import { Console, Duration, Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import { Rollout, type Standing } from "../rollout/Rollout.ts"
import { runRollout } from "../rollout/runRollout.ts"
import { administrator } from "./administrator.ts"
import { CommandFailed } from "./CommandFailed.ts"
import { jsonFlag } from "./jsonFlag.ts"
import { printJson } from "./print.ts"
import { StoreServices } from "./StoreServices.ts"
import { plain } from "./table.ts"

const nodesText = (nodes: ReadonlyArray<NodeId>): string =>
  `${nodes.length === 1 ? "node" : "nodes"} ${nodes.join(", ")}`

const begin = Command.make(
  "begin",
  {},
  Effect.fn("rollout.begin")(function*() {
    const count = yield* (yield* Rollout).begin(yield* administrator)
    yield* Console.log(
      `${count} nodes are held at what they have. Change what is to change, then: patela rollout run --nodes N`
    )
  })
).pipe(
  Command.withDescription("Hold all enabled nodes at the configuration of now"),
  Command.withExamples([{ command: "patela rollout begin", description: "Before the change" }]),
  Command.provide(StoreServices)
)

const run = Command.make(
  "run",
  {
    nodes: Flag.Int("nodes").pipe(Flag.withDescription("How many nodes at a time")),
    within: Flag.Int("within").pipe(
      Flag.withDescription("Minutes in which released nodes have to report that all is well"),
      Flag.withDefault(5)
    ),
    pause: Flag.Int("pause").pipe(
      Flag.withDescription("Minutes between two releases at least, in which clients find other ways; 0 for none"),
      Flag.withDefault(10)
    )
  },
  Effect.fn("rollout.run")(function*({ nodes, within, pause }) {
    if (nodes < 1 || within < 1 || pause < 0) {
      return yield* new CommandFailed({
        message: "--nodes and --within are whole numbers from 1 on, --pause is one from 0 on"
      })
    }
    yield* runRollout({
      who: yield* administrator,
      nodes,
      within: Duration.minutes(within),
      pause: Duration.minutes(pause),
      tell: (step) =>
        Console.log(
          "released" in step
            ? `released ${nodesText(step.released)}`
            : `all is well; the next of ${step.held} nodes in ${Math.ceil(Duration.toMinutes(step.pausing))} minutes`
        )
    }).pipe(
      Effect.catchTag("RolloutStopped", ({ message }) => new CommandFailed({ message: plain(message) }))
    )
    yield* Console.log("All nodes have the configuration.")
  })
).pipe(
  Command.withDescription("Let nodes see the configuration, some at a time, and stop at the first failure"),
  Command.withExamples([
    { command: "patela rollout run --nodes 1", description: "One at a time; a second run goes on where one stopped" },
    { command: "patela rollout run --nodes 10 --within 15", description: "Ten, each ten in a quarter of an hour" },
    { command: "patela rollout run --nodes 5 --pause 0", description: "For a change that restarts no relay" }
  ]),
  Command.provide(StoreServices)
)

const end = Command.make(
  "end",
  {},
  Effect.fn("rollout.end")(function*() {
    const count = yield* (yield* Rollout).end(yield* administrator)
    yield* Console.log(`The rollout is ended. ${count} nodes that were held see the configuration at once.`)
  })
).pipe(
  Command.withDescription("Release all nodes that are held, at once"),
  Command.withExamples([{ command: "patela rollout end", description: "Also after the change was taken back" }]),
  Command.provide(StoreServices)
)

const standingText = ({ held, released }: Standing): string =>
  [
    `${held.length} nodes are held${held.length === 0 ? "" : `: ${held.join(" ")}`}`,
    ...released.map(({ node, verdict }) =>
      `node ${node}: ${verdict.verdict}${verdict.verdict === "good" ? "" : `, ${plain(verdict.why)}`}`
    )
  ].join("\n")

const show = Command.make(
  "show",
  { json: jsonFlag },
  Effect.fn("rollout.show")(function*({ json }) {
    const standing = Option.getOrNull(yield* (yield* Rollout).standing)
    if (json) return yield* printJson({ rollout: standing })
    yield* Console.log(standing === null ? "No rollout is under way." : standingText(standing))
  })
).pipe(
  Command.withDescription("Show which nodes are held, and how those stand that were released"),
  Command.withExamples([{ command: "patela rollout show --json", description: "For a program" }]),
  Command.provide(StoreServices)
)

export const rollout = Command.make("rollout").pipe(
  Command.withDescription("Bring a change of the configuration to some nodes at a time"),
  Command.withSubcommands([begin, run, end, show])
)
