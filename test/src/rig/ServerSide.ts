import { Effect } from "effect"
import { beyond, links, management, managementAt } from "./Addresses.ts"
import type { CableIn } from "./CableIn.ts"
import { runOk } from "./Command.ts"
import { Namespace } from "./Namespace.ts"
import type { PlugIn } from "./NodeContainer.ts"
import { SourceObserver } from "./SourceObserver.ts"
import { Switch } from "./Switch.ts"

/** The management network: where the Patela server runs, and what the nodes' default routes point to. */
export interface ServerSide {
  readonly namespace: Namespace
  /** Sees what left nodes by their management link. */
  readonly observer: SourceObserver
  /** Plugs the management link of the machine at a place in, with its addresses and default routes of both families. */
  readonly plugIn: (place: number) => PlugIn
  /** Plugs in a cable whose end in the namespace is this link. */
  readonly take: (port: string) => CableIn
}

/** What the management link of the machine at a place has, of both families: lines for `ip -batch`. */
export const managementLink = (place: number): string => {
  const dev = `dev ${links.management}`
  const own = managementAt(place)
  return [
    "link set lo up",
    `address add ${own.v4}/${management.prefixV4} ${dev}`,
    `address add ${own.v6}/${management.prefixV6} ${dev} nodad`,
    `link set ${links.management} up`,
    `route add default via ${management.serverV4} ${dev}`,
    `route add default via ${management.serverV6} ${dev}`,
    ""
  ].join("\n")
}

export const ServerSide = {
  make: Effect.fnUntraced(function*(ports: ReadonlyArray<number>) {
    const namespace = yield* Namespace.make("server")
    yield* namespace.ip([`address add ${beyond.v4}/32 dev lo`, `address add ${beyond.v6}/128 dev lo nodad`])
    const observer = yield* SourceObserver.make(namespace, ports)
    const nodes = yield* Switch.make(namespace, [
      `${management.serverV4}/${management.prefixV4}`,
      `${management.serverV6}/${management.prefixV6} nodad`
    ])
    const plugIn = (place: number): PlugIn =>
      Effect.fnUntraced(function*(leader: number) {
        yield* nodes.plugIn(links.management)(leader)
        yield* runOk(["nsenter", "--target", String(leader), "--net", "--", "ip", "-batch", "-"], {
          stdin: managementLink(place)
        })
      })
    const side: ServerSide = { namespace, observer, plugIn, take: nodes.take }
    return side
  })
}
