import type { Ipv4 } from "@patela/domain/net/Ipv4"
import type { NodeId } from "@patela/domain/node/NodeId"
import type { RelayName } from "@patela/domain/relay/RelayName"
import type { HeldByRelays } from "../relays/heldByRelays.ts"
import type { LeftBehind } from "../relays/Quarantine.ts"
import { formerNames, type RelayRow } from "../relays/RelayRow.ts"
import type { Taken } from "./allocate.ts"
import type { OwnAddresses } from "./v4Places.ts"

const present = <A>(value: A | null): ReadonlyArray<A> => value === null ? [] : [value]

/** What is so for all nodes: what relays have, what is kept back, and the addresses that are somebody else's. */
export interface HeldByAll {
  readonly relays: HeldByRelays
  readonly held: ReadonlyArray<LeftBehind>
  readonly reserved: ReadonlySet<string>
}

/** What is so for one of them: its relays, and the names that it was told were removed. */
export interface HeldByNode {
  readonly node: NodeId
  readonly mine: ReadonlyArray<RelayRow>
  readonly removed: ReadonlyArray<RelayName>
}

/**
 * What a node cannot be given. A name that the node is told was removed, or that one of its relays had before, is no name
 * for a new relay there at any time: its TPM may still have that one's keys. `given` was given to others since `relays` was
 * read.
 */
export const takenBy = ({ relays, held, reserved }: HeldByAll) => {
  const names = new Set<string>(held.flatMap(({ name }) => present(name)))
  const addresses = new Set<string>([
    ...held.flatMap(({ ip_v4, ip_v6 }) => [...present(ip_v4), ...present(ip_v6)]),
    ...reserved
  ])
  return ({ node, mine, removed }: HeldByNode, given: Given = NOTHING): Taken => {
    const own = new Set<string>([...removed, ...mine.flatMap(formerNames)])
    return {
      left: relays.left,
      names: { has: (name) => relays.names.has(name) || names.has(name) || own.has(name) || given.names.has(name) },
      addresses: {
        has: (address) => relays.addresses.has(address) || addresses.has(address) || given.addresses.has(address)
      },
      own: ownAddresses({ node, mine, held, reserved }),
      slots: new Set<number>([
        ...mine.map(({ slot }) => slot),
        ...held.filter(({ node_id }) => node_id === node).flatMap(({ slot }) => present(slot))
      ])
    }
  }
}

/** Names and addresses. */
export interface Given {
  readonly names: ReadonlySet<string>
  readonly addresses: ReadonlySet<string>
}

const NOTHING: Given = { names: new Set(), addresses: new Set() }

/**
 * An address that relays of this node have is this node's to put more relays on, and nobody else's. Not where another node
 * left it, and may have it yet: a relay took it along (`patela relay move --keep-addresses`).
 */
const ownAddresses = ({ node, mine, held, reserved }: {
  readonly node: NodeId
  readonly mine: ReadonlyArray<RelayRow>
  readonly held: ReadonlyArray<LeftBehind>
  readonly reserved: ReadonlySet<string>
}): OwnAddresses => {
  const ports = new Map<Ipv4, Set<number>>()
  for (const { ip_v4, or_port } of mine) ports.set(ip_v4, (ports.get(ip_v4) ?? new Set()).add(or_port))
  const shut = new Set<string>(reserved)
  for (const { node_id, ip_v4, or_port } of held) {
    if (ip_v4 === null) continue
    if (node_id === node && or_port !== null) ports.get(ip_v4)?.add(or_port)
    else shut.add(ip_v4)
  }
  return new Map([...ports].filter(([address]) => !shut.has(address)))
}
