import { AddressReader } from "@patela/reconcilers/addresses/AddressReader"
import { HostCommand } from "@patela/reconcilers/host/HostCommand"
import { Console, Effect, Layer, Schema } from "effect"
import { HostFactsReader } from "../host/HostFactsReader.ts"
import { chooseRelayInterface } from "../host/RelayInterface.ts"

const LinksDocument = Schema.fromJsonString(Schema.Struct({
  version: Schema.Literal(1),
  links: Schema.Array(Schema.Struct({ name: Schema.String, ipv4: Schema.Array(Schema.String), relay: Schema.Boolean }))
}))

/** What `patela-agent net list` does; a module of its own, loaded only by that command. */
export const listLinks = Effect.fn("listLinks")(function*(options: { readonly json: boolean }) {
  const found = yield* Effect.flatMap(HostFactsReader, ({ links }) => links).pipe(
    Effect.provide(HostFactsReader.layer.pipe(Layer.provide(AddressReader.layer), Layer.provide(HostCommand.layer)))
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
