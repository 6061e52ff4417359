import { Option } from "effect"
import type { NetworkSettings } from "../settings/NetworkSettings.ts"

/** The addresses of the network that are somebody else's: gateways and name servers. */
export const reservedAddresses = (network: Option.Option<NetworkSettings>): ReadonlySet<string> =>
  new Set<string>(
    Option.match(network, {
      onNone: () => [],
      onSome: ({ gateway_v4, gateway_v6, dns }) => [gateway_v4, ...gateway_v6 === null ? [] : [gateway_v6], ...dns]
    })
  )
