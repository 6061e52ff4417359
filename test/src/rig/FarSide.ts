import { Effect } from "effect"
import { beyond, links, relayNetwork } from "./Addresses.ts"
import type { CableIn } from "./CableIn.ts"
import { runOk } from "./Command.ts"
import { Namespace } from "./Namespace.ts"
import type { PlugIn } from "./NodeContainer.ts"
import { SourceObserver } from "./SourceObserver.ts"
import { Switch } from "./Switch.ts"

/** What relays see: the gateways of the relay network and a piece of the internet beyond them. */
export interface FarSide {
  readonly namespace: Namespace
  /** Sees what left nodes by their relay link, and with which source. */
  readonly observer: SourceObserver
  /** Plugs a machine's relay link in, with no address on it. */
  readonly plugIn: PlugIn
  /** Plugs in a cable whose end in the namespace is this link. */
  readonly take: (port: string) => CableIn
}

export interface FarSideOptions {
  readonly ports: ReadonlyArray<number>
  /** Whether nodes find their relay link up or down; a machine's unconfigured link is down. */
  readonly relayLink: "up" | "down"
}

export const FarSide = {
  make: Effect.fnUntraced(function*({ ports, relayLink }: FarSideOptions) {
    const namespace = yield* Namespace.make("far")
    yield* namespace.ip([`address add ${beyond.v4}/32 dev lo`, `address add ${beyond.v6}/128 dev lo nodad`])
    const observer = yield* SourceObserver.make(namespace, ports)
    const nodes = yield* Switch.make(namespace, [
      `${relayNetwork.gatewayV4}/${relayNetwork.prefixV4}`,
      `${relayNetwork.gatewayV6}/${relayNetwork.prefixV6} nodad`
    ])
    const plugIn: PlugIn = Effect.fnUntraced(function*(leader: number) {
      yield* nodes.plugIn(links.relay)(leader)
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
    const side: FarSide = { namespace, observer, plugIn, take: nodes.take }
    return side
  })
}
