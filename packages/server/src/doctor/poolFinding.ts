import type { PoolUsage } from "../allocate/poolUsage.ts"
import { type Finding, fine, warning, wrong } from "./Finding.ts"

const CHECK = "pools"

/** Pools of which less than a tenth is free are nearly used up. */
const PART = 9

/** How much room there is for relays: pools of one family, of which there is one at least, are used up one by one. */
export const poolFinding = (
  family: "IPv4" | "IPv6",
  pools: ReadonlyArray<Pick<PoolUsage, "free" | "size">>
): Finding => {
  const free = pools.reduce((sum, pool) => sum + pool.free, 0)
  const taken = pools.reduce((sum, pool) => sum + pool.size, 0) - free
  const advice = "Add a pool: patela pool add RANGE; patela pool list shows how the others stand"
  if (free === 0) return wrong(CHECK, `no ${family} address is free: no node can be given one`, advice)
  return free * PART <= taken
    ? warning(CHECK, `few ${family} addresses are free: ${free}, and ${taken} are taken`, advice)
    : fine(CHECK, `there are ${family} addresses for more relays`)
}
