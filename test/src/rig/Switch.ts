import { Effect } from "effect"
import type { CableIn } from "./CableIn.ts"
import type { Namespace } from "./Namespace.ts"
import type { PlugIn } from "./NodeContainer.ts"
import { Veth } from "./Veth.ts"

/** An Ethernet switch in a namespace that itself is on it: what all machines of a network are plugged into. */
export interface Switch {
  /** Runs a cable from a free port of the switch to a machine, where it is `link`. */
  readonly plugIn: (link: string) => PlugIn
  /** Makes a link of the namespace a port of the switch: the near end of a cable that somebody else ran. */
  readonly take: (port: string) => CableIn
}

export const Switch = {
  /** The namespace has these addresses on it (`ADDRESS/PREFIX`, what `ip address add` takes), also while nobody is plugged in. */
  make: Effect.fnUntraced(function*(namespace: Namespace, addresses: ReadonlyArray<string>) {
    yield* namespace.ip([
      // Nobody here asks who listens to which group, so all is passed on to all.
      "link add name nodes type bridge mcast_snooping 0",
      ...addresses.map((address) => `address add ${address} dev nodes`),
      "link set nodes up"
    ])
    let cables = 0
    const take = (port: string): CableIn => Effect.asVoid(namespace.ip([`link set ${port} master nodes up`]))
    const nodes: Switch = {
      take,
      plugIn: (link) =>
        Effect.fnUntraced(function*(leader: number) {
          const port = `port${++cables}`
          yield* Veth.make({ from: { namespace, link: port }, to: { namespace: leader, link } })
          yield* take(port)
        })
    }
    return nodes
  })
}
