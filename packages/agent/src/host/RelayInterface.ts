import type { AddressRange } from "@patela/domain/net/AddressRange"
import { rangeHolds } from "@patela/domain/net/AddressRange"
import type { RelayInterface } from "@patela/domain/node/HostFacts"

/** A link of the host with its IPv4 addresses. */
export interface LinkView {
  readonly name: string
  readonly ipv4: ReadonlyArray<string>
}

/**
 * The link that relays use: the named one, or the first whose name begins with `e` and that has no IPv4 address, the
 * relays' own (those in `pools`) not counted. A link with any other address is somebody else's, such as management.
 */
export const chooseRelayInterface = (
  links: ReadonlyArray<LinkView>,
  pools: ReadonlyArray<AddressRange>,
  named: string | undefined
): RelayInterface => {
  const foreign = (link: LinkView) =>
    link.ipv4.find((address) => !pools.some((pool) => pool.family === "ipv4" && rangeHolds(pool, address)))
  if (named !== undefined) {
    const link = links.find(({ name }) => name === named)
    if (link === undefined) {
      return {
        found: false,
        why: `there is no link ${named}; the host has ${links.map(({ name }) => name).join(", ")}`
      }
    }
    const address = foreign(link)
    return address === undefined
      ? { found: true, name: named }
      : { found: false, why: `link ${named} has the address ${address}, which is not a relay's: it is left alone` }
  }
  const free = links.find((link) => link.name.startsWith("e") && foreign(link) === undefined)
  return free === undefined
    ? {
      found: false,
      why: "no link whose name begins with e is free of IPv4 addresses; name the relay link with --relay-interface"
    }
    : { found: true, name: free.name }
}
