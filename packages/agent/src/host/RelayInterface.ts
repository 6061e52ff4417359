import type { AddressRange } from "@patela/domain/net/AddressRange"
import { rangeHolds } from "@patela/domain/net/AddressRange"
import type { RelayInterface } from "@patela/domain/node/HostFacts"

/** A link of the host with its IPv4 addresses. */
export interface LinkView {
  readonly name: string
  readonly ipv4: ReadonlyArray<string>
}

/** What is known of the choice: the operator's word, and what an earlier pass of this boot chose. */
export interface ChosenLink {
  readonly named: string | undefined
  readonly noted: string | undefined
}

/**
 * The link that relays use: the named one; else the one that was chosen before on this boot; else the first whose name
 * begins with `e` and that has relays' addresses (those in `pools`) and no other; else the first with no IPv4 address.
 * A link with any other address is somebody else's, such as management, and what others do to links later moves nothing.
 */
export const chooseRelayInterface = (
  links: ReadonlyArray<LinkView>,
  pools: ReadonlyArray<AddressRange>,
  { named, noted }: ChosenLink
): RelayInterface => {
  const exists = (name: string) => links.some((link) => link.name === name)
  if (named !== undefined) {
    return exists(named)
      ? { found: true, name: named }
      : { found: false, why: `there is no link ${named}; the host has ${links.map(({ name }) => name).join(", ")}` }
  }
  if (noted !== undefined && exists(noted)) return { found: true, name: noted }
  const isRelays = (address: string) => pools.some((pool) => pool.family === "ipv4" && rangeHolds(pool, address))
  const candidates = links.filter(({ ipv4, name }) => name.startsWith("e") && ipv4.every(isRelays))
  const link = candidates.find(({ ipv4 }) => ipv4.length > 0) ?? candidates[0]
  return link === undefined
    ? {
      found: false,
      why: "no link whose name begins with e is free of IPv4 addresses; name the relay link with --relay-interface"
    }
    : { found: true, name: link.name }
}
