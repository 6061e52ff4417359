import { ipv6FromBigInt, ipv6ToBigInt } from "@patela/domain/net/Ipv6"

/** Where no address is known, all requests are of one source. */
const NOWHERE = "nowhere"

const HOST_BITS = 64n

/**
 * What requests are counted by: an IPv4 address as it is, also where it is mapped into IPv6 (RFC 4291, section 2.5.5.2),
 * and of IPv6 the /64, for whoever has one address of it has them all (RFC 4291, section 2.5.4).
 */
export const sourceOf = (remoteAddress: string | undefined): string => {
  if (remoteAddress === undefined) return NOWHERE
  const [address = ""] = remoteAddress.split("%")
  if (!address.includes(":")) return address
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  if (mapped !== undefined) return mapped
  const value = ipv6ToBigInt(address)
  return value === undefined ? NOWHERE : `${ipv6FromBigInt((value >> HOST_BITS) << HOST_BITS)}/64`
}
