import { Console, Effect } from "effect"
import { Command, Flag } from "effect/cli"
import { NodeRemoval, type RemovedNode } from "../nodes/NodeRemoval.ts"
import { administrator } from "./administrator.ts"
import { CommandFailed } from "./CommandFailed.ts"
import { nodeIdArgument } from "./nodeIdArgument.ts"
import { StoreServices } from "./StoreServices.ts"

const relaysText = ({ relays }: RemovedNode): string =>
  relays.length === 0
    ? "It has no relays."
    : `Its relays go with it, with identity keys that only its TPM has: ${relays.map(({ name }) => name).join(" ")}.`

export const nodeRemove = Command.make(
  "remove",
  {
    id: nodeIdArgument,
    yes: Flag.Boolean("yes").pipe(
      Flag.withDescription("The node and its relays may go, and the machine is off"),
      Flag.withDefault(false)
    )
  },
  Effect.fn("node.remove")(function*({ id, yes }) {
    const nodes = yield* NodeRemoval
    if (!yes) {
      const would = yield* nodes.removal(id)
      return yield* new CommandFailed({
        message:
          `this would forget node ${id} for good. ${relaysText(would)} Shut the machine down first: it cannot be ` +
          "told any more, and would run them on. Should it ask again it is a new machine that waits.\n" +
          `Say --yes if it may go: patela node remove ${id} --yes`
      })
    }
    const { relays } = yield* nodes.remove(yield* administrator, id)
    const left = relays.length === 0
      ? ""
      : ` ${relays.map(({ name }) => name).join(" ")} went with it; their names and addresses are in quarantine.`
    yield* Console.log(`Node ${id} is removed.${left}`)
  })
).pipe(
  Command.withDescription(
    "Forget a node and its relays for good. Its tokens end at once; what its relays had is given to others after the " +
      "quarantine (patela pool get quarantine). To shut it out and keep it: patela node disable ID"
  ),
  Command.withShortDescription("Forget a node and its relays for good"),
  Command.withExamples([
    { command: "patela node remove 5", description: "Say what it would come to, and change nothing" },
    { command: "patela node remove 5 --yes", description: "Forget it" }
  ]),
  Command.provide(StoreServices)
)
