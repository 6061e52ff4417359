import { NodeConfig } from "@patela/domain/node/NodeConfig"
import type { DesiredInput } from "@patela/domain/reconciler/Kind"
import { Schema } from "effect"

/** A few slots, each once, in any order. */
export const Slots = Schema.UniqueArray(Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 8 }))))

/** The relay of a slot as a configuration has it; every third has no IPv6. */
export const relayOf = (slot: number) => ({
  name: `cheese${slot}`,
  slot,
  ip_v4: `198.51.100.${10 + slot}`,
  ip_v6: slot % 3 === 2 ? null : `2001:db8:2::${(10 + slot).toString(16)}`,
  or_port: 9001,
  dir_port: null,
  torrc: "",
  fingerprint: null
})

export type RelayOf = typeof relayOf

/** The same with three relays to an IPv4 address, each with a port of its own. */
export const sharingOf: RelayOf = (slot) => ({
  ...relayOf(slot),
  ip_v4: `198.51.100.${10 + Math.floor(slot / 3)}`,
  or_port: 9001 + slot % 3
})

/** A configuration of these relays, with other network settings where they are given. */
export const inputOf = (
  slots: ReadonlyArray<number>,
  network: object = {},
  relay: RelayOf = relayOf
): DesiredInput => ({
  config: Schema.decodeUnknownSync(NodeConfig)({
    relays: slots.map(relay),
    network: {
      gateway_v4: "198.51.100.1",
      gateway_v6: "2001:db8:2::1",
      prefix_v4: 24,
      prefix_v6: 64,
      dns: [],
      pools: [
        { family: "ipv4", first: "198.51.100.10", last: "198.51.100.99" },
        { family: "ipv6", first: "2001:db8:2::a", last: "2001:db8:2::ff" }
      ],
      ...network
    },
    geoip: false,
    test_network: false,
    generation: 1,
    removed: []
  }),
  facts: { cpus: 2, memory: 2 ** 31, relayInterface: { found: true, name: "e0" } },
  configIsNew: false
})
