import { type AddressRange, rangeHolds } from "@patela/domain/net/AddressRange"
import type { HostFacts } from "@patela/domain/node/HostFacts"
import type { NodeConfig, ResolvedRelay } from "@patela/domain/node/NodeConfig"
import {
  type RefusedResource,
  relayScope,
  type Resource,
  type ResourceAddress
} from "@patela/domain/reconciler/Resource"
import { listensOn } from "@patela/domain/relay/listensOn"
import type { RelayName } from "@patela/domain/relay/RelayName"
import type { Slot } from "@patela/domain/relay/Slot"

/**
 * What this kind puts on the host: the relay link, up, and the addresses on it. `pools` say which other addresses of
 * the link are Patela's to remove, besides those in the ledger and except those in `spared`, which belong to refused
 * resources. `prefix` is a length in bits.
 */
export type DesiredAddress =
  | {
    readonly is: "link"
    readonly link: string
    readonly pools: ReadonlyArray<AddressRange>
    readonly spared: ReadonlySet<string>
  }
  | {
    readonly is: "address"
    readonly link: string
    readonly address: string
    readonly prefix: number
    readonly relay: RelayName
    readonly slot: Slot
  }

/** The relay link itself. Every address needs it. */
export const LINK: ResourceAddress = "node/link"

export type Family = "v4" | "v6"

export const addressOf = (relay: RelayName, family: Family): ResourceAddress => `relay/${relay}/address-${family}`

interface Input {
  readonly config: NodeConfig
  readonly facts: HostFacts
}

/**
 * The link and one address a relay and family, which several relays may have together. A port of an address that two relays
 * claim stays with the first.
 */
export const desiredAddresses = (
  { config, facts }: Input
): ReadonlyArray<Resource<DesiredAddress> | RefusedResource> => {
  const relayInterface = facts.relayInterface
  const claims = config.relays.flatMap((relay) => claimsOf(relay, config))
  if (!relayInterface.found) {
    return [
      { address: LINK, scope: "node", refused: relayInterface.why },
      ...claims.map(({ family, relay }) => ({
        address: addressOf(relay.name, family),
        scope: relayScope(relay.name),
        refused: relayInterface.why
      }))
    ]
  }
  const link = relayInterface.name
  const owners = new Map<string, string>()
  const spared = new Set<string>()
  const refusalOf = ({ ip, relay }: Claim): string | undefined => {
    for (const place of listensOn(relay, ip)) {
      const owner = owners.get(place)
      if (owner !== undefined) return `${place} is already that of relay ${owner}`
    }
    if (ip === config.network.gateway_v4 || ip === config.network.gateway_v6) return `${ip} is the gateway's address`
    return undefined
  }
  const resources: Array<Resource<DesiredAddress> | RefusedResource> = []
  for (const claim of claims) {
    const { ip, prefix, relay } = claim
    const address = addressOf(relay.name, claim.family)
    const scope = relayScope(relay.name)
    const refused = refusalOf(claim)
    if (refused !== undefined || prefix === null) {
      spared.add(ip)
      resources.push({ address, scope, refused: refused ?? `${ip} has no prefix length: prefix_v6 is not set` })
    } else {
      for (const place of listensOn(relay, ip)) owners.set(place, relay.name)
      const { name, slot } = relay
      const value: DesiredAddress = { is: "address", link, address: ip, prefix, relay: name, slot }
      resources.push({ address, scope, value, needs: [LINK] })
    }
  }
  return [
    { address: LINK, scope: "node", value: { is: "link", link, pools: config.network.pools, spared }, needs: [] },
    ...resources
  ]
}

interface Claim {
  readonly relay: ResolvedRelay
  readonly family: Family
  readonly ip: string
  readonly prefix: number | null
}

const claimsOf = (relay: ResolvedRelay, { network }: NodeConfig): ReadonlyArray<Claim> => {
  // The network that an address is in is its pool's; the gateway's may be another.
  const prefixOf = (ip: string) => network.pools.find((pool) => rangeHolds(pool, ip))?.prefix
  const claim = (family: Family, ip: string, otherwise: number | null): Claim => ({
    relay,
    family,
    ip,
    prefix: prefixOf(ip) ?? otherwise
  })
  const v4 = claim("v4", relay.ip_v4, network.prefix_v4)
  return relay.ip_v6 === null ? [v4] : [v4, claim("v6", relay.ip_v6, network.prefix_v6)]
}
