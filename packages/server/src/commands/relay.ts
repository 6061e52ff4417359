import { RelayName } from "@patela/domain/relay/RelayName"
import { Console, Effect, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import { settingText } from "../nodes/NodeSetting.ts"
import { RelayAdministration } from "../relays/RelayAdministration.ts"
import { RelayUnknown } from "../relays/RelayUnknown.ts"
import type { Removal } from "../relays/removalOf.ts"
import { administrator } from "./administrator.ts"
import { CommandFailed } from "./CommandFailed.ts"
import { relayMove } from "./relayMove.ts"
import { relayNameArgument } from "./relayNameArgument.ts"
import { relayRename } from "./relayRename.ts"
import { StoreServices } from "./StoreServices.ts"

const relaysText = (count: number): string => `${count} ${count === 1 ? "relay" : "relays"}`

/** What becomes of the node's number of relays, `verb` being "would become" or "is now". */
const settingLine = ({ relay, before, after }: Removal, verb: string): string =>
  before.relays_override === after.relays_override
    ? ""
    : ` Its setting relays ${verb} ${settingText(after, "relays")} (it was ${
      settingText(before, "relays")
    }), so that ` +
      `it gets no other in its place. For another one: patela node set ${relay.node_id} relays NUMBER`

const remove = Command.make(
  "remove",
  {
    name: relayNameArgument,
    yes: Flag.Boolean("yes").pipe(
      Flag.withDescription("The relay and its identity keys may go: nothing else has the keys"),
      Flag.withDefault(false)
    )
  },
  Effect.fn("relay.remove")(function*({ name, yes }) {
    if (!Schema.is(RelayName)(name)) return yield* RelayUnknown.of(JSON.stringify(name))
    const relays = yield* RelayAdministration
    if (!yes) {
      const would = yield* relays.removal(name)
      return yield* new CommandFailed({
        message: `this would take ${name} off node ${would.relay.node_id} for good, with its identity keys in the ` +
          `node's TPM, which nothing else has. The node would keep ${relaysText(would.remaining)}.` +
          `${settingLine(would, "would become")}\nSay --yes if it may go: patela relay remove ${name} --yes`
      })
    }
    const removal = yield* relays.remove(yield* administrator, name)
    yield* Console.log(
      `${name} is taken off node ${removal.relay.node_id}, which keeps ${
        relaysText(removal.remaining)
      }. The node stops ` +
        `it, and drops its keys, when it hears of it.${settingLine(removal, "is now")}`
    )
  })
).pipe(
  Command.withDescription(
    "Take a relay off its node for good. Its name, addresses and slot are given again after the quarantine (patela pool " +
      "get quarantine), for its node may be off and still have them"
  ),
  Command.withShortDescription("Take a relay off its node for good"),
  Command.withExamples([
    { command: "patela relay remove toma", description: "Say what it would come to, and change nothing" },
    { command: "patela relay remove toma --yes", description: "Remove it, and its identity keys" }
  ]),
  Command.provide(StoreServices)
)

export const relay = Command.make("relay").pipe(
  Command.withDescription("Decide about single relays"),
  Command.withExamples([
    { command: "patela relay remove toma --yes", description: "Take toma off its node" },
    { command: "patela relay rename toma gouda", description: "Give it another name" }
  ]),
  Command.withSubcommands([remove, relayMove, relayRename])
)
