import { NodeConfig } from "@patela/domain/node/NodeConfig"
import { Schema } from "effect"

const RELAYS = 3

/** For documentation (RFC 5737, RFC 3849): no host has such addresses. */
const network = {
  gateway_v4: "198.51.100.1",
  gateway_v6: "2001:db8::1",
  prefix_v4: 24,
  prefix_v6: 64,
  dns: ["192.0.2.53"],
  pools: [
    { family: "ipv4", first: "198.51.100.10", last: "198.51.100.200" },
    { family: "ipv6", first: "2001:db8::a", last: "2001:db8::ff" }
  ]
}

const relays = Array.from({ length: RELAYS }, (_, slot) => ({
  name: `rehearsal${slot}`,
  slot,
  ip_v4: `198.51.100.${10 + slot}`,
  ip_v6: `2001:db8::${(10 + slot).toString(16)}`,
  or_port: 9001,
  dir_port: null,
  torrc: "ContactInfo \"tor@example.org\"\nExitPolicy reject *:*\nNumCPUs 1\n",
  fingerprint: slot === 0 ? null : { rsa: "0".repeat(40), ed25519: "A".repeat(43) }
}))

const config = { relays, generation: 1, removed: [], network, geoip: false, test_network: false }

/** The configuration of a node, as JSON, for `diff --config` where there is no server. */
export const rehearsalConfig = (): string => {
  Schema.decodeUnknownSync(NodeConfig)(config)
  return JSON.stringify(config)
}
