import type { Ipv4 } from "@patela/domain/net/Ipv4"
import type { Pool } from "./AddressPool.ts"
import { OR_PORTS } from "./OrPorts.ts"

/** An IPv4 address, and the port that a relay has on it for itself. */
export interface V4Place {
  readonly ip_v4: Ipv4
  readonly or_port: number
}

/** The addresses that a node has, and of each the ports that are not free: relays have them, or they are in quarantine. */
export type OwnAddresses = ReadonlyMap<Ipv4, ReadonlySet<number>>

/**
 * Where relays of one node may be, in the order in which they are put there: on its own addresses with fewer than
 * `perAddress` relays, then on addresses that are free, as many on each. What is in quarantine counts as if it were there:
 * its node may not have heard, and the authorities count it until it is gone.
 */
export function* v4Places(
  pools: ReadonlyArray<Pool<Ipv4>>,
  { own, addresses, free, perAddress }: {
    readonly own: OwnAddresses
    /** Of a pool, those that may be free. */
    readonly addresses: (pool: Pool<Ipv4>) => Iterable<Ipv4>
    readonly free: (address: Ipv4) => boolean
    readonly perAddress: number
  }
): Generator<V4Place> {
  for (const [address, ports] of own) {
    // One that was reserved since, or is in no pool any more, gets no further relay.
    if (pools.some((pool) => pool.holds(address))) yield* roomOn(address, ports, perAddress)
  }
  for (const pool of pools) {
    for (const address of addresses(pool)) if (free(address)) yield* roomOn(address, new Set(), perAddress)
  }
}

const roomOn = (ip_v4: Ipv4, ports: ReadonlySet<number>, perAddress: number): ReadonlyArray<V4Place> =>
  OR_PORTS.filter((port) => !ports.has(port))
    .slice(0, Math.max(0, perAddress - ports.size))
    .map((or_port) => ({ ip_v4, or_port }))
