import { Effect } from "effect"
import { fault, MissionFault } from "../mission/Mission.ts"
import { links } from "../rig/Addresses.ts"
import type { NodeContainer } from "../rig/NodeContainer.ts"
import { type Cheese, placeOf } from "./faultConfig.ts"

/** How many packets of relays left the node, and how many of them from a wrong source or by a wrong link. */
export interface Witnessed {
  readonly seen: number
  readonly wrong: number
}

/**
 * A firewall table that is not Patela's and looks at packets after all address translation (netfilter, priority 300 is
 * after srcnat's 100): whoever a relay is, it must leave by the relay link and from the addresses of that relay.
 */
const rulesFor = (relays: ReadonlyArray<Cheese>): string => {
  const own = relays.flatMap((name) => {
    const { ip_v4, ip_v6, uid } = placeOf(name)
    return [
      `    meta skuid ${uid} oifname "${links.relay}" ip saddr ${ip_v4} return`,
      `    meta skuid ${uid} oifname "${links.relay}" ip6 saddr ${ip_v6} return`
    ]
  })
  return [
    "table inet witness {",
    "  counter seen { }",
    "  counter wrong { }",
    "  chain relays {",
    "    counter name \"seen\"",
    ...own,
    "    counter name \"wrong\"",
    "  }",
    "  chain out {",
    "    type filter hook postrouting priority 300; policy accept;",
    "    oifname \"lo\" return",
    "    meta skuid 50000-50999 goto relays",
    "  }",
    "}",
    ""
  ].join("\n")
}

export const Witness = {
  /** To be called after every boot, before the agent runs. */
  install: Effect.fnUntraced(function*(node: NodeContainer, relays: ReadonlyArray<Cheese>) {
    yield* node.execOk(["sh", "-c", "cat > /root/witness.nft && nft -f /root/witness.nft"], { stdin: rulesFor(relays) })
  }, fault),

  look: Effect.fnUntraced(function*(node: NodeContainer) {
    const text = yield* fault(node.execOk(["nft", "list", "counters", "table", "inet", "witness"]))
    const packets = (name: string) => Number(new RegExp(`counter ${name} \\{\\s+packets (\\d+)`).exec(text)?.[1])
    const witnessed: Witnessed = { seen: packets("seen"), wrong: packets("wrong") }
    if (Number.isNaN(witnessed.seen + witnessed.wrong)) {
      return yield* new MissionFault({ message: `the witness says nothing of use: ${text}` })
    }
    return witnessed
  })
}
