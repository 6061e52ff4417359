import type { Ipv4 } from "@patela/domain/net/Ipv4"
import type { Ipv6 } from "@patela/domain/net/Ipv6"
import type { RelayName } from "@patela/domain/relay/RelayName"
import type { Pool } from "./AddressPool.ts"
import { relayNames } from "./relayNames.ts"
import { Unheld } from "./Unheld.ts"

/** What there is to give, in the order in which it is given. */
export interface Left {
  readonly names: () => Iterable<RelayName>
  readonly v4: (pool: Pool<Ipv4>) => Iterable<Ipv4>
  readonly v6: (pool: Pool<Ipv6>) => Iterable<Ipv6>
}

/** What these sets do not hold. They may come to hold more while it is used, and not less. */
export const leftBy = (
  { addresses, names }: { readonly names: ReadonlySet<string>; readonly addresses: ReadonlySet<string> }
): Left => {
  const unheldNames = new Unheld(relayNames(), (name) => names.has(name))
  const ofPool = <Address extends Ipv4 | Ipv6>() => {
    const known = new Map<string, Unheld<Address>>()
    return (pool: Pool<Address>): Iterable<Address> => {
      // A pool has the same addresses for as long as these are the same.
      const key = [pool.title, ...pool.reserved].join(" ")
      const unheld = known.get(key) ?? new Unheld<Address>(pool.addresses(), (address) => addresses.has(address))
      known.set(key, unheld)
      return unheld.read()
    }
  }
  return { names: () => unheldNames.read(), v4: ofPool<Ipv4>(), v6: ofPool<Ipv6>() }
}
