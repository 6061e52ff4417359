import { Ipv4 } from "@patela/domain/net/Ipv4"
import { Ipv6 } from "@patela/domain/net/Ipv6"
import { NodeConfig } from "@patela/domain/node/NodeConfig"
import type { Fingerprints } from "@patela/domain/relay/Fingerprint"
import { RelayName } from "@patela/domain/relay/RelayName"
import { Slot, uidOf } from "@patela/domain/relay/Slot"
import { Schema } from "effect"
import { relayNetwork } from "../rig/Addresses.ts"

/** The relays that configurations of these tests are made of; their place in this list is their slot. */
export const CHEESES = ["toma", "robiola", "bra"] as const
export type Cheese = typeof CHEESES[number]

/** Where a relay of these tests is to leave from, and as whom. */
export const placeOf = (name: Cheese) => {
  const slot = CHEESES.indexOf(name)
  return {
    slot: Slot.make(slot),
    uid: uidOf(Slot.make(slot)),
    ip_v4: Ipv4.make(`198.51.100.${10 + slot}`),
    ip_v6: Ipv6.make(`2001:db8:8020::${(16 + slot).toString(16)}`)
  }
}

export interface FaultConfig {
  readonly relays: ReadonlyArray<Cheese>
  readonly removed?: ReadonlyArray<Cheese>
  /** A line of every torrc, so that another value is another torrc. */
  readonly contact?: string
  readonly dns?: string
  readonly generation?: number
  /** Relays of which nothing is on record, for they are new. */
  readonly fresh?: ReadonlyArray<Cheese>
  /** What the server has on record of the relays. */
  readonly record?: ReadonlyMap<Cheese, Fingerprints>
}

const encode = Schema.encodeSync(NodeConfig)

/** A configuration as the server would say it. Nobody uses these relays, so they stop at once. */
export const faultConfig = (options: FaultConfig): NodeConfig => {
  const { contact = "nobody", dns = relayNetwork.gatewayV4, fresh = [], generation = 1, record, relays, removed = [] } =
    options
  const config: NodeConfig = {
    generation,
    removed: removed.map((name) => RelayName.make(name)),
    relays: relays.map((name) => {
      const { ip_v4, ip_v6, slot } = placeOf(name)
      return {
        name: RelayName.make(name),
        slot,
        ip_v4,
        ip_v6,
        or_port: 9001,
        dir_port: null,
        torrc: `ContactInfo "${contact}"\nExitPolicy reject *:*\nShutdownWaitLength 0\n`,
        fingerprint: fresh.includes(name) ? null : record?.get(name) ?? null
      }
    }),
    network: {
      gateway_v4: Ipv4.make(relayNetwork.gatewayV4),
      gateway_v6: Ipv6.make(relayNetwork.gatewayV6),
      prefix_v4: relayNetwork.prefixV4,
      prefix_v6: relayNetwork.prefixV6,
      dns: [Ipv4.make(dns)],
      pools: [
        { family: "ipv4", first: Ipv4.make("198.51.100.10"), last: Ipv4.make("198.51.100.99") },
        { family: "ipv6", first: Ipv6.make("2001:db8:8020::10"), last: Ipv6.make("2001:db8:8020::ff") }
      ]
    },
    geoip: false,
    test_network: false
  }
  // What is not a configuration is a mistake of the test.
  encode(config)
  return config
}
