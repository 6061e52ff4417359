const names = (list: string): ReadonlyArray<string> => list.split(/\s+/).filter((name) => name !== "")

/**
 * Options whose lines Patela writes itself from what it allocated, and why a torrc layer's own line is left out with a
 * warning and not refused: an ordinary relay's torrc has some of them, and its text never reaches the node.
 */
export const MANAGED_OPTIONS: ReadonlyMap<string, string> = new Map([
  ...names("Nickname").map((name) => [name, "the nickname is the relay's name"] as const),
  ...names("ORPort DirPort Address OutboundBindAddress OutboundBindAddressExit OutboundBindAddressOR").map((name) =>
    [name, "addresses and ports are allocated by the server"] as const
  ),
  ...names("OutboundBindAddressPT").map((name) => [name, "addresses are allocated by the server"] as const),
  ...names("MetricsPort MetricsPortPolicy").map((name) =>
    [name, "each relay serves its metrics on its own port of 127.0.0.1"] as const
  ),
  ...names("FamilyId MyFamily").map((name) => [name, "the family is made from what the relays report"] as const),
  ...names("GeoIPFile GeoIPv6File").map((name) => [name, "GeoIP is a setting of the node"] as const),
  ...names("ServerDNSResolvConfFile").map((name) => [name, "the node's resolver is a network setting"] as const)
])
