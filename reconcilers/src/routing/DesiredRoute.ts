import { type Ipv4, ipv4FromNumber, ipv4ToNumber } from "@patela/domain/net/Ipv4"
import { type Ipv6, ipv6FromBigInt, ipv6ToBigInt } from "@patela/domain/net/Ipv6"
import type { HostFacts } from "@patela/domain/node/HostFacts"
import type { NodeConfig } from "@patela/domain/node/NodeConfig"
import type { RefusedResource, Resource, ResourceAddress } from "@patela/domain/reconciler/Resource"
import { type Family, LAST_METRIC, markRule, type Role, type RouteEntry, routeEntry, uidRule } from "./RouteEntry.ts"

/** Where the wanted entry of a role stands, such as `node/routing/default-v4`. */
export const addressOf = (role: Role, family: Family): ResourceAddress => `node/routing/${role}-${family}`

interface Input {
  readonly config: NodeConfig
  readonly facts: HostFacts
}

interface Part {
  readonly entry: RouteEntry
  /** Resources of this kind, by role, that must be so first. */
  readonly after: ReadonlyArray<Role>
}

/**
 * Per family: the relay subnet and the default route by the relay link, a last route that refuses, and the two rules.
 * The rules come last, and after the refusing route: relay traffic has the relay link or no way at all, never the main
 * table's. IPv6 only where the network has a gateway and a prefix length for it.
 */
export const desiredRoutes = ({ config, facts }: Input): ReadonlyArray<Resource<RouteEntry> | RefusedResource> => {
  const { relayInterface } = facts
  const { gateway_v4, gateway_v6, prefix_v4, prefix_v6 } = config.network
  const link = relayInterface.found ? relayInterface.name : ""
  const families: ReadonlyArray<ReadonlyArray<Part>> = [
    partsOf("v4", gateway_v4, subnetV4(gateway_v4, prefix_v4), link),
    gateway_v6 === null || prefix_v6 === null
      ? []
      : partsOf("v6", gateway_v6, subnetV6(gateway_v6, prefix_v6), link)
  ]
  return families.flat().map(({ after, entry }): Resource<RouteEntry> | RefusedResource => {
    const address = addressOf(entry.role, entry.family)
    if (!relayInterface.found) return { address, scope: "node", refused: relayInterface.why }
    const before = entry.what === "route" ? ["node/link"] : []
    const needs = before.concat(after.map((role) => addressOf(role, entry.family)))
    return { address, scope: "node", value: entry, needs }
  })
}

const partsOf = (family: Family, gateway: string, subnet: string, dev: string): ReadonlyArray<Part> => {
  const metric = family === "v4" ? 0 : 1024
  const route = (dst: string, via?: string) => routeEntry(family, { type: "unicast", dst, gateway: via, dev, metric })
  return [
    { entry: routeEntry(family, { type: "unreachable", dst: "default", metric: LAST_METRIC }), after: [] },
    { entry: route(subnet), after: [] },
    { entry: route("default", gateway), after: ["unreachable"] },
    { entry: uidRule(family), after: ["unreachable"] },
    { entry: markRule(family), after: ["unreachable"] }
  ]
}

/** The network of an address, as `ip` prints it: a host route has no length. */
const subnetV4 = (address: Ipv4, prefix: number): string => {
  const size = 2 ** (32 - prefix)
  const network = ipv4FromNumber(Math.floor(ipv4ToNumber(address) / size) * size)
  return prefix === 32 ? network : `${network}/${prefix}`
}

const subnetV6 = (address: Ipv6, prefix: number): string => {
  const host = BigInt(128 - prefix)
  const network = ipv6FromBigInt(((ipv6ToBigInt(address) ?? 0n) >> host) << host)
  return prefix === 128 ? network : `${network}/${prefix}`
}
