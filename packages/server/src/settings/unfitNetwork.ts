import type { AllPools } from "../allocate/PoolRow.ts"
import type { NetworkSettings } from "./NetworkSettings.ts"

const titles = (pools: ReadonlyArray<{ readonly title: string }>): string => pools.map(({ title }) => title).join(", ")

/**
 * What makes the network unfit for the pools, in words: a gateway that is in no pool's network cannot be reached from any
 * address. An IPv6 gateway may also be a link-local address (fe80::/10).
 */
export const unfitNetwork = (
  { gateway_v4, gateway_v6 }: NetworkSettings,
  { v4, v6 }: AllPools
): ReadonlyArray<string> => {
  const problems: Array<string> = []
  if (v4.length > 0 && !v4.some((pool) => pool.networkHolds(gateway_v4))) {
    problems.push(
      `The gateway ${gateway_v4} is not in the network of any IPv4 pool (${titles(v4)}). Correct one of them: ` +
        "patela network set, patela pool add, or PATELA_FIRST_V4 and PATELA_PREFIX_V4"
    )
  }
  if (v6.length === 0) return problems
  if (gateway_v6 === null) {
    problems.push(
      `There are IPv6 pools (${titles(v6)}) but no IPv6 gateway. Set it: patela network set --gateway-v6 ADDRESS ...`
    )
  } else if (!v6.some((pool) => pool.networkHolds(gateway_v6)) && !/^fe[89ab]/.test(gateway_v6)) {
    problems.push(
      `The gateway ${gateway_v6} is not in the network of any IPv6 pool (${titles(v6)}). Correct one of them: ` +
        "patela network set, patela pool add, or PATELA_FIRST_V6 and PATELA_PREFIX_V6"
    )
  }
  return problems
}
