import type { Ipv4 } from "@patela/domain/net/Ipv4"
import type { Ipv6 } from "@patela/domain/net/Ipv6"
import type { Pool } from "../allocate/AddressPool.ts"
import type { NetworkSettings } from "./NetworkSettings.ts"

/**
 * What makes the network unfit for the pools, in words: a gateway outside the network of the addresses cannot be
 * reached from them. An IPv6 gateway may also be a link-local address (fe80::/10).
 */
export const unfitNetwork = (
  { gateway_v4, gateway_v6 }: NetworkSettings,
  { v4, v6 }: { readonly v4: Pool<Ipv4>; readonly v6: Pool<Ipv6> | undefined }
): ReadonlyArray<string> => {
  const problems: Array<string> = []
  if (!v4.networkHolds(gateway_v4)) {
    problems.push(`The gateway ${gateway_v4} is not in the network of ${v4.title}. Correct one of them`)
  }
  if (v6 !== undefined && gateway_v6 === null) {
    problems.push(`There is ${v6.title} but no IPv6 gateway. Set it: patela network set --gateway-v6 ADDRESS ...`)
  }
  if (v6 !== undefined && gateway_v6 !== null && !v6.networkHolds(gateway_v6) && !/^fe[89ab]/.test(gateway_v6)) {
    problems.push(`The gateway ${gateway_v6} is not in the network of ${v6.title}. Correct one of them`)
  }
  return problems
}
