import type { Ipv4 } from "@patela/domain/net/Ipv4"
import type { Ipv6 } from "@patela/domain/net/Ipv6"
import type { Pool } from "../allocate/AddressPool.ts"
import { type Finding, fine, warning, wrong } from "./Finding.ts"

const CHECK = "pools"

/** A pool of which less than a tenth is free is nearly full. */
const PART = 9

/** How full a pool is: `taken` are the addresses that relays have and those that are somebody else's, in canonical form. */
export const poolFinding = <Address extends Ipv4 | Ipv6>(
  pool: Pool<Address>,
  taken: ReadonlySet<string>
): Finding => {
  let used = 0
  let free = 0
  // An IPv6 pool has no end to speak of: it is looked at only until enough of it is free.
  for (const address of pool.addresses()) {
    if (taken.has(address)) used += 1
    else free += 1
    if (free * PART > taken.size) break
  }
  const advice = "Give the server a larger pool, or take relays off: patela relay remove NAME"
  if (free === 0) return wrong(CHECK, `${pool.title} is full: no relay can be given an address of it`, advice)
  return free * PART <= used
    ? warning(CHECK, `${pool.title} is nearly full: ${used} addresses are taken and ${free} are free`, advice)
    : fine(CHECK, `${pool.title} has room`)
}
