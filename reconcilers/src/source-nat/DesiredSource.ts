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
import type { RelaySource } from "./RelaySource.ts"

/** The chains for a link, or what one relay has in the maps. */
export type DesiredSource =
  | { readonly is: "skeleton"; readonly link: string }
  | { readonly is: "relay"; readonly source: RelaySource }

export const SKELETON: ResourceAddress = "node/source-nat"

export const addressOf = (relay: RelayName): ResourceAddress => `relay/${relay}/source-nat`

interface Input {
  readonly config: NodeConfig
  readonly facts: HostFacts
}

/** The chains, and each relay's elements once its addresses are up and its packets have their route. */
export const desiredSources = ({ config, facts }: Input): ReadonlyArray<Resource<DesiredSource> | RefusedResource> => {
  const { relayInterface } = facts
  if (!relayInterface.found) {
    const refused = relayInterface.why
    return [
      { address: SKELETON, scope: "node", refused },
      ...config.relays.map((relay) => ({ address: addressOf(relay.name), scope: relayScope(relay.name), refused }))
    ]
  }
  const { gateway_v6, prefix_v6 } = config.network
  const owners = new Map<string, string>()
  const resources = config.relays.map((relay): Resource<DesiredSource> | RefusedResource => {
    const address = addressOf(relay.name)
    const scope = relayScope(relay.name)
    const claims = [
      `slot ${relay.slot}`,
      ...listensOn(relay, relay.ip_v4),
      ...relay.ip_v6 === null ? [] : listensOn(relay, relay.ip_v6)
    ]
    for (const claim of claims) {
      const owner = owners.get(claim)
      if (owner !== undefined) return { address, scope, refused: `${claim} is already that of relay ${owner}` }
    }
    for (const claim of claims) owners.set(claim, relay.name)
    const needs = [SKELETON, ...needsOf(relay, "v4")]
    if (relay.ip_v6 !== null) {
      needs.push(
        ...(gateway_v6 === null || prefix_v6 === null ? [`relay/${relay.name}/address-v6`] : needsOf(relay, "v6"))
      )
    }
    const source: RelaySource = { slot: relay.slot, v4: relay.ip_v4, v6: relay.ip_v6 }
    return { address, scope, value: { is: "relay", source }, needs }
  })
  return [
    { address: SKELETON, scope: "node", value: { is: "skeleton", link: relayInterface.name }, needs: [] },
    ...resources
  ]
}

const needsOf = (relay: ResolvedRelay, family: "v4" | "v6"): ReadonlyArray<ResourceAddress> => [
  `relay/${relay.name}/address-${family}`,
  `node/routing/unreachable-${family}`,
  `node/routing/default-${family}`,
  `node/routing/rule-uid-${family}`,
  `node/routing/rule-mark-${family}`
]
