import type { HostFacts, RelayInterface } from "@patela/domain/node/HostFacts"
import type { NodeConfig } from "@patela/domain/node/NodeConfig"
import { AddressReader } from "@patela/reconcilers/addresses/AddressReader"
import { Context, Effect, Equal, Layer, Schema } from "effect"
import { existsSync } from "node:fs"
import * as os from "node:os"
import { chooseRelayInterface, type ChosenLink, type LinkView } from "./RelayInterface.ts"

/** The host did not say what it is. */
export class HostUnreadable extends Schema.TaggedError<HostUnreadable>()("HostUnreadable", {
  message: Schema.String
}) {}

/** Where the kernel lists the links of this network namespace (sysfs(5), /sys/class/net). */
const LINKS = "/sys/class/net"

/** The link that was named or chosen before, where it is still there: then nobody's addresses matter. */
const settledOn = ({ named, noted }: ChosenLink): RelayInterface | undefined => {
  const name = named ?? noted
  return name !== undefined && existsSync(`${LINKS}/${name}`) ? { found: true, name } : undefined
}

/** Reads the facts of this host that the desired state depends on. */
export class HostFactsReader extends Context.Service<HostFactsReader, {
  /** Every link with its IPv4 addresses. */
  readonly links: Effect.Effect<ReadonlyArray<LinkView>, HostUnreadable>
  readonly read: (config: NodeConfig, link: ChosenLink) => Effect.Effect<HostFacts, HostUnreadable>
}>()("@patela/agent/host/HostFactsReader") {
  static readonly layer = Layer.effect(
    HostFactsReader,
    Effect.gen(function*() {
      const reader = yield* AddressReader

      const links = reader.links.pipe(
        Effect.map((all) =>
          all.map(({ addresses, name }) => ({
            name,
            ipv4: addresses.flatMap(({ address }) => address.includes(":") ? [] : [address])
          }))
        ),
        Effect.mapError((cause) => new HostUnreadable({ message: `cannot read the host's links: ${cause.message}` })),
        Effect.withSpan("HostFactsReader.links")
      )

      // The same object while nothing of it changes: what is desired is computed anew for other facts alone.
      let last: HostFacts | undefined
      const read = Effect.fn("HostFactsReader.read")(
        function*(config: NodeConfig, link: ChosenLink) {
          const facts: HostFacts = {
            cpus: os.availableParallelism(),
            memory: os.totalmem(),
            relayInterface: settledOn(link) ??
              chooseRelayInterface(yield* links, config.network.pools, link)
          }
          if (last === undefined || !Equal.equals(facts, last)) last = facts
          return last
        }
      )

      return HostFactsReader.of({ links, read })
    })
  )
}
