import { Effect } from "effect"
import { beyond, links, management } from "./Addresses.ts"
import type { CableIn } from "./CableIn.ts"
import { runOk } from "./Command.ts"
import { Namespace } from "./Namespace.ts"
import type { PlugIn } from "./NodeContainer.ts"
import { SourceObserver } from "./SourceObserver.ts"
import { Veth } from "./Veth.ts"

/** The management network: where the Patela server runs, and what the node's default routes point to. */
export interface ServerSide {
  readonly namespace: Namespace
  /** Sees what left the node by its management link. */
  readonly observer: SourceObserver
  /** Plugs the node's management link in, with its addresses and default routes of both families. */
  readonly plugIn: PlugIn
  /** Sets this end of the cable up, a link called `node`, which is there. */
  readonly cableIn: CableIn
}

const dev = `dev ${links.management}`

/** What a node's management link has, of both families: lines for `ip -batch`. */
export const managementLink: ReadonlyArray<string> = [
  "link set lo up",
  `address add ${management.nodeV4}/${management.prefixV4} ${dev}`,
  `address add ${management.nodeV6}/${management.prefixV6} ${dev} nodad`,
  `link set ${links.management} up`,
  `route add default via ${management.serverV4} ${dev}`,
  `route add default via ${management.serverV6} ${dev}`
]

export const ServerSide = {
  make: Effect.fnUntraced(function*(ports: ReadonlyArray<number>) {
    const namespace = yield* Namespace.make("server")
    yield* namespace.ip([`address add ${beyond.v4}/32 dev lo`, `address add ${beyond.v6}/128 dev lo nodad`])
    const observer = yield* SourceObserver.make(namespace, ports)
    const cableIn = Effect.asVoid(namespace.ip([
      `address add ${management.serverV4}/${management.prefixV4} dev node`,
      `address add ${management.serverV6}/${management.prefixV6} dev node nodad`,
      "link set node up"
    ]))
    const plugIn: PlugIn = Effect.fnUntraced(function*(leader: number) {
      yield* Veth.make({
        from: { namespace, link: "node" },
        to: { namespace: leader, link: links.management }
      })
      yield* cableIn
      yield* runOk(["nsenter", "--target", String(leader), "--net", "--", "ip", "-batch", "-"], {
        stdin: `${managementLink.join("\n")}\n`
      })
    })
    const side: ServerSide = { namespace, observer, plugIn, cableIn }
    return side
  })
}
