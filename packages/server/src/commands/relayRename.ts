import { RelayName } from "@patela/domain/relay/RelayName"
import { Console, Effect, Schema } from "effect"
import { Argument, Command } from "effect/cli"
import { RelayRename } from "../relays/RelayRename.ts"
import { RelayUnknown } from "../relays/RelayUnknown.ts"
import { administrator } from "./administrator.ts"
import { relayNameArgument } from "./relayNameArgument.ts"
import { StoreServices } from "./StoreServices.ts"

export const relayRename = Command.make(
  "rename",
  {
    name: relayNameArgument,
    newName: Argument.String("new").pipe(
      Argument.withDescription("Its new name: 1 to 19 lower-case letters and digits, a letter first")
    )
  },
  Effect.fn("relay.rename")(function*({ name, newName }) {
    if (!Schema.is(RelayName)(name)) return yield* RelayUnknown.of(JSON.stringify(name))
    const relay = yield* (yield* RelayRename).rename(yield* administrator, name, newName)
    yield* Console.log(
      `${name} is now ${newName}. Node ${relay.node_id} restarts it under that name, with the identity and the addresses ` +
        "that it has."
    )
  })
).pipe(
  Command.withDescription(
    "Give a relay another name. Its identity, node, slot and addresses stay, and the node moves its keys to the new name, " +
      "which needs an agent that knows of it: an older one keeps the keys and leaves the relay down. Nobody gets the old name " +
      "before the quarantine is over"
  ),
  Command.withShortDescription("Give a relay another name"),
  Command.withExamples([{ command: "patela relay rename toma gouda", description: "toma is gouda from now on" }]),
  Command.provide(StoreServices)
)
