import { Effect } from "effect"
import { beyond, links, relayNetwork } from "./Addresses.ts"
import type { CableIn } from "./CableIn.ts"
import { runOk } from "./Command.ts"
import { Namespace } from "./Namespace.ts"
import type { PlugIn } from "./NodeContainer.ts"
import { SourceObserver } from "./SourceObserver.ts"
import { Veth } from "./Veth.ts"

/** What relays see: the gateways of the relay network and a piece of the internet beyond them. */
export interface FarSide {
  readonly namespace: Namespace
  /** Sees what left the node by its relay link, and with which source. */
  readonly observer: SourceObserver
  /** Plugs the node's relay link in, with no address on it. */
  readonly plugIn: PlugIn
  /** Sets this end of the cable up, a link called `node`, which is there. */
  readonly cableIn: CableIn
}

export interface FarSideOptions {
  readonly ports: ReadonlyArray<number>
  /** Whether the node finds its relay link up or down; a machine's unconfigured link is down. */
  readonly relayLink: "up" | "down"
}

export const FarSide = {
  make: Effect.fnUntraced(function*({ ports, relayLink }: FarSideOptions) {
    const namespace = yield* Namespace.make("far")
    yield* namespace.ip([`address add ${beyond.v4}/32 dev lo`, `address add ${beyond.v6}/128 dev lo nodad`])
    const observer = yield* SourceObserver.make(namespace, ports)
    const cableIn = Effect.asVoid(namespace.ip([
      `address add ${relayNetwork.gatewayV4}/${relayNetwork.prefixV4} dev node`,
      `address add ${relayNetwork.gatewayV6}/${relayNetwork.prefixV6} dev node nodad`,
      "link set node up"
    ]))
    const plugIn: PlugIn = Effect.fnUntraced(function*(leader: number) {
      yield* Veth.make({ from: { namespace, link: "node" }, to: { namespace: leader, link: links.relay } })
      yield* cableIn
      yield* runOk([
        "nsenter",
        "--target",
        String(leader),
        "--net",
        "--",
        "ip",
        "link",
        "set",
        links.relay,
        relayLink
      ])
    })
    const side: FarSide = { namespace, observer, plugIn, cableIn }
    return side
  })
}
