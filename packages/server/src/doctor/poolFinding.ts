import type { PoolUsage } from "../allocate/poolUsage.ts"
import { type Finding, fine, warning, wrong } from "./Finding.ts"

const CHECK = "pools"

/** A pool of which less than a tenth is free is nearly full. */
const PART = 10

const ADVICE = "Add one (patela pool add RANGE), or take relays off: patela relay remove NAME"

/** How full a pool is. */
export const poolFinding = (
  { stored: { pool: { title } }, size, free }: {
    readonly stored: { readonly pool: Pick<PoolUsage["stored"]["pool"], "title"> }
    readonly size: number
    readonly free: number
  }
): Finding => {
  if (free === 0) return wrong(CHECK, `${title} is full: no relay can be given an address of it`, ADVICE)
  return free * PART < size
    ? warning(CHECK, `${title} is nearly full: ${free} of its ${size} addresses are free`, ADVICE)
    : fine(CHECK, `${title} has room`)
}
