import { Ipv4 } from "@patela/domain/net/Ipv4"
import { Ipv6 } from "@patela/domain/net/Ipv6"
import type { ResolvedRelay } from "@patela/domain/node/NodeConfig"
import type { DesiredInput } from "@patela/domain/reconciler/Kind"
import { RelayName } from "@patela/domain/relay/RelayName"
import { Slot } from "@patela/domain/relay/Slot"

/** A relay of a test configuration: addresses of the documentation ranges, by slot. */
export const relayAt = (slot: number, name: string, torrc = "ContactInfo \"nobody\"\n"): ResolvedRelay => ({
  name: RelayName.make(name),
  slot: Slot.make(slot),
  ip_v4: Ipv4.make(`198.51.100.${10 + (slot % 200)}`),
  ip_v6: Ipv6.make(`2001:db8::${(10 + slot).toString(16)}`),
  or_port: 9001,
  dir_port: null,
  torrc,
  fingerprint: null
})

/** What the kinds compute the desired state from, with these relays and name servers. */
export const nodeInput = (relays: ReadonlyArray<ResolvedRelay>, dns: ReadonlyArray<string> = []): DesiredInput => ({
  config: {
    relays,
    network: {
      gateway_v4: Ipv4.make("198.51.100.1"),
      gateway_v6: Ipv6.make("2001:db8::1"),
      prefix_v4: 24,
      prefix_v6: 64,
      dns: dns.map((server) => (server.includes(":") ? Ipv6.make(server) : Ipv4.make(server))),
      pools: []
    },
    geoip: false,
    test_network: false,
    generation: 1,
    removed: []
  },
  facts: { cpus: 2, memory: 4 * 1024 ** 3, relayInterface: { found: true, name: "ens0" } },
  configIsNew: true
})
