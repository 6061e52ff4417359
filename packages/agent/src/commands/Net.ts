import { HostCommand } from "@patela/reconcilers/host/HostCommand"
import { Console, Effect, Layer, Schema } from "effect"
import { Command } from "effect/cli"
import { HostFactsReader } from "../host/HostFactsReader.ts"
import { chooseRelayInterface } from "../host/RelayInterface.ts"
import { json } from "./AgentFlags.ts"

const LinksDocument = Schema.fromJsonString(Schema.Struct({
  version: Schema.Literal(1),
  links: Schema.Array(Schema.Struct({ name: Schema.String, ipv4: Schema.Array(Schema.String), relay: Schema.Boolean }))
}))

const List = Command.make(
  "list",
  { json },
  Effect.fn("net list")(function*(options) {
    const found = yield* Effect.flatMap(HostFactsReader, ({ links }) => links).pipe(
      Effect.provide(HostFactsReader.layer.pipe(Layer.provide(HostCommand.layer)))
    )
    // Without a configuration no address counts as a relay's, so a link that already has them is not recognised here.
    const choice = chooseRelayInterface(found, [], { named: undefined, noted: undefined })
    const links = found.map((link) => ({ ...link, relay: choice.found && choice.name === link.name }))
    if (options.json) return yield* Console.log(yield* Schema.encodeEffect(LinksDocument)({ version: 1, links }))
    const width = Math.max(...links.map(({ name }) => name.length))
    for (const { ipv4, name, relay } of links) {
      yield* Console.log(
        `${name.padEnd(width)}  ${ipv4.join(" ") || "-"}${relay ? "  <- relays would use this one" : ""}`
      )
    }
    if (!choice.found) yield* Console.log(choice.why)
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
