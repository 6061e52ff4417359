import type { LeftBehind } from "../relays/Quarantine.ts"
import type { RelayRow } from "../relays/RelayRow.ts"
import type { StoredPool } from "./PoolRow.ts"

/** How a pool stands. Counts above 2^53, which an IPv6 pool may have, are not exact. */
export interface PoolUsage {
  readonly stored: StoredPool
  /** How many addresses relays may have, without the reserved ones. */
  readonly size: number
  /** The names of the relays that have addresses of it. */
  readonly relays: ReadonlyArray<string>
  /** How many addresses these are. */
  readonly used: number
  readonly quarantined: number
  readonly free: number
}

interface Addressed {
  readonly ip_v4: string | null
  readonly ip_v6: string | null
}

/** Who has what of a pool. `reserved` are the addresses of gateways and name servers. */
export const poolUsage = (
  stored: StoredPool,
  relays: ReadonlyArray<RelayRow>,
  held: ReadonlyArray<LeftBehind>,
  reserved: ReadonlySet<string>
): PoolUsage => {
  const { family, holds, size } = stored.pool
  const addressOf = ({ ip_v4, ip_v6 }: Addressed) => family === "ipv4" ? ip_v4 : ip_v6
  // In the range though not to be given, where it was reserved later, or was the pool's own edge before.
  const inside = (one: Addressed): ReadonlyArray<string> => {
    const address = addressOf(one)
    return address !== null && (holds(address) || isReserved(stored, address)) ? [address] : []
  }
  const having = relays.filter((relay) => inside(relay).length > 0)
  const used = new Set(having.flatMap(inside))
  const quarantined = new Set(held.flatMap(inside).filter((address) => !used.has(address)))
  const taken = new Set([...used, ...quarantined, ...reserved].filter(holds))
  return {
    stored,
    size: Number(size),
    relays: having.map(({ name }) => name),
    used: used.size,
    quarantined: quarantined.size,
    free: Number(size - BigInt(taken.size))
  }
}

const isReserved = ({ pool }: StoredPool, address: string): boolean =>
  [...pool.reserved].some((reserved) => reserved === address)

/** A pool as commands show it. */
export const poolView = ({ stored: { id, environment, pool }, size, relays, used, quarantined, free }: PoolUsage) => ({
  id,
  family: pool.family,
  first: pool.first,
  last: pool.last,
  prefix: pool.prefix,
  environment,
  reserved: [...pool.reserved],
  size,
  used,
  relays: relays.length,
  quarantined,
  free
})
export type PoolView = ReturnType<typeof poolView>
