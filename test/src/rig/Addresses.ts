/** The rig's address plan, all of documentation ranges (RFC 5737, RFC 3849): nothing here exists anywhere else. */

/** The management network: the Patela server and the first node's own address. */
export const management = {
  serverV4: "192.0.2.1",
  serverV6: "2001:db8:2::1",
  nodeV4: "192.0.2.10",
  nodeV6: "2001:db8:2::10",
  prefixV4: 24,
  prefixV6: 64
} as const

/** The management addresses of a machine of the room; the first has place 1, and there are ten at most. */
export const managementAt = (place: number): { readonly v4: string; readonly v6: string } => ({
  v4: management.nodeV4.replace(/0$/, String(place - 1)),
  v6: management.nodeV6.replace(/0$/, String(place - 1))
})

/** The relay network: its gateways, and the first addresses that relays may have. */
export const relayNetwork = {
  gatewayV4: "198.51.100.1",
  gatewayV6: "2001:db8:8020::1",
  firstV4: "198.51.100.10",
  firstV6: "2001:db8:8020::10",
  prefixV4: 24,
  prefixV6: 64
} as const

/** Places beyond every gateway. Both sides answer for them, so a packet that left by the wrong link is seen there. */
export const beyond = { v4: "203.0.113.1", v6: "2001:db8:ffff::1" } as const

/** The network of the directory authorities, one hop beyond the relay network's gateway; the last three are other relays. */
export const authorityNetwork = {
  gatewayV4: "203.0.113.81",
  gatewayV6: "2001:db8:a::81",
  authorities: [82, 83, 84].map((host) => ({ v4: `203.0.113.${host}`, v6: `2001:db8:a::${host}` })),
  strangers: [85, 86, 87].map((host) => ({ v4: `203.0.113.${host}`, v6: `2001:db8:a::${host}` })),
  prefixV4: 28,
  prefixV6: 64
} as const

/** Names of the node's links: what a real machine's look like. */
export const links = { management: "ens3", relay: "ens4" } as const
