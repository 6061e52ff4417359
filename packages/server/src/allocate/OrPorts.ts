/**
 * The ORPorts of relays that have an IPv4 address together, by their place on it. The first is the one that few firewalls
 * block. A relay keeps its port for as long as it has the address. They are as many as the public network's authorities list
 * of one address: AuthDirMaxServersPerAddr, which each authority sets, and which is 2 where it does not (tor manual).
 */
export const OR_PORTS = [443, 9001, 9002, 9003, 9004, 9005, 9006, 9007] as const

/** How many relays can have one IPv4 address. */
export const MOST_PER_ADDRESS = OR_PORTS.length
