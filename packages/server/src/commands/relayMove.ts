import { NodeId } from "@patela/domain/node/NodeId"
import { RelayName } from "@patela/domain/relay/RelayName"
import { Console, Effect, Schema } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { RelayMove } from "../relays/RelayMove.ts"
import { RelayUnknown } from "../relays/RelayUnknown.ts"
import { administrator } from "./administrator.ts"
import { relayNameArgument } from "./relayNameArgument.ts"
import { StoreServices } from "./StoreServices.ts"

export const relayMove = Command.make(
  "move",
  {
    name: relayNameArgument,
    node: Argument.Int("node").pipe(
      Argument.withSchema(NodeId),
      Argument.withDescription("The number of the node that it goes to")
    ),
    newIdentity: Flag.Boolean("new-identity").pipe(
      Flag.withDescription("Its identity keys, which only the old node's TPM has, may be lost"),
      Flag.withDefault(false)
    ),
    keepAddresses: Flag.Boolean("keep-addresses").pipe(
      Flag.withDescription(
        "Its addresses go along: the old node is off, or no longer has them. Not where other relays there have its IPv4 address"
      ),
      Flag.withDefault(false)
    )
  },
  Effect.fn("relay.move")(function*({ name, node, newIdentity, keepAddresses }) {
    if (!Schema.is(RelayName)(name)) return yield* RelayUnknown.of(JSON.stringify(name))
    const { left, moved } = yield* (yield* RelayMove).move(yield* administrator, name, node, {
      newIdentity,
      keepAddresses
    })
    const addresses = [moved.ip_v4, ...moved.ip_v6 === null ? [] : [moved.ip_v6]].join(" and ")
    yield* Console.log(
      `${name} is moved from node ${left.relay.node_id} to node ${node}, where it has ${addresses} with port ${moved.or_port}, and starts ` +
        `with new identity keys. Node ${left.relay.node_id} stops it, and drops its keys, when it hears of it.`
    )
  })
).pipe(
  Command.withDescription(
    "Put a relay, by its name and its torrc layer, onto another node. Identity keys stay behind in the old node's TPM and are " +
      "dropped there, so a relay that the Tor network knows is moved with --new-identity only. It gets new addresses; the old " +
      "ones go into quarantine, for the old node may still have them"
  ),
  Command.withShortDescription("Put a relay onto another node"),
  Command.withExamples([
    { command: "patela relay move toma 5", description: "Move toma, which has not run yet, to node 5" },
    { command: "patela relay move toma 5 --new-identity", description: "Move it, and lose the identity that it had" }
  ]),
  Command.provide(StoreServices)
)
