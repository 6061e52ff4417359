import type { AddressRange } from "@patela/domain/net/AddressRange"
import { Ipv4, ipv4FromNumber, ipv4ToNumber } from "@patela/domain/net/Ipv4"
import { type Ipv6, ipv6FromBigInt, ipv6ToBigInt } from "@patela/domain/net/Ipv6"
import { Result, Schema } from "effect"

/** The addresses from `first` to the end of its network; `prefix` is the network's length in bits. */
export interface Pool<Address extends Ipv4 | Ipv6> {
  readonly family: "ipv4" | "ipv6"
  readonly first: Address
  readonly prefix: number
  /** What people call it in messages, such as `the IPv4 pool (192.0.2.10 to the end of its /24)`. */
  readonly title: string
  /** Whether an address, in canonical form, lies in the network of the pool, before or after `first`. */
  readonly networkHolds: (address: Address) => boolean
  readonly range: AddressRange
  /** The addresses that a relay may have, in order: no network, broadcast or subnet-router address. */
  readonly addresses: () => Generator<Address>
}

/** A first address and a prefix that make no pool. */
export class PoolRefused extends Schema.TaggedError<PoolRefused>()("PoolRefused", { message: Schema.String }) {}

interface Network {
  readonly lowest: bigint
  readonly highest: bigint
}

const networkOf = (value: bigint, prefix: number, bits: number): Network => {
  const size = 1n << BigInt(bits - prefix)
  const lowest = value - value % size
  return { lowest, highest: lowest + size - 1n }
}

function* between<Address>(first: bigint, last: bigint, make: (value: bigint) => Address): Generator<Address> {
  for (let value = first; value <= last; value += 1n) yield make(value)
}

const wholePrefix = (prefix: number, bits: number): boolean => Number.isInteger(prefix) && prefix >= 1 && prefix <= bits

const larger = (a: bigint, b: bigint): bigint => a > b ? a : b

/** A pool of IPv4 addresses. A /31 and a /32 have neither a network nor a broadcast address (RFC 3021). */
export const poolV4 = (first: string, prefix: number): Result.Result<Pool<Ipv4>, PoolRefused> => {
  if (!Schema.is(Ipv4)(first)) {
    return Result.fail(new PoolRefused({ message: "the first address is not an IPv4 address such as 192.0.2.10" }))
  }
  if (!wholePrefix(prefix, 32)) {
    return Result.fail(new PoolRefused({ message: "the prefix of an IPv4 pool is a number from 1 to 32" }))
  }
  const value = BigInt(ipv4ToNumber(first))
  const { lowest, highest } = networkOf(value, prefix, 32)
  const edges = prefix >= 31 ? 0n : 1n
  const address = (number: bigint): Ipv4 => ipv4FromNumber(Number(number))
  return Result.succeed({
    family: "ipv4",
    first,
    prefix,
    title: `the IPv4 pool (${first} to the end of its /${prefix}, PATELA_FIRST_V4 and PATELA_PREFIX_V4)`,
    networkHolds: (other) => {
      const number = BigInt(ipv4ToNumber(other))
      return lowest <= number && number <= highest
    },
    range: { family: "ipv4", first, last: address(highest) },
    addresses: () => between(larger(value, lowest + edges), highest - edges, address)
  })
}

/** A pool of IPv6 addresses. The lowest of a network belongs to its routers (RFC 4291, section 2.6.1). */
export const poolV6 = (first: string, prefix: number): Result.Result<Pool<Ipv6>, PoolRefused> => {
  const value = ipv6ToBigInt(first)
  if (value === undefined) {
    return Result.fail(new PoolRefused({ message: "the first address is not an IPv6 address such as 2001:db8::10" }))
  }
  if (!wholePrefix(prefix, 128)) {
    return Result.fail(new PoolRefused({ message: "the prefix of an IPv6 pool is a number from 1 to 128" }))
  }
  const { lowest, highest } = networkOf(value, prefix, 128)
  const canonical = ipv6FromBigInt(value)
  return Result.succeed({
    family: "ipv6",
    first: canonical,
    prefix,
    title: `the IPv6 pool (${canonical} to the end of its /${prefix}, PATELA_FIRST_V6 and PATELA_PREFIX_V6)`,
    networkHolds: (other) => {
      const number = ipv6ToBigInt(other)
      return number !== undefined && lowest <= number && number <= highest
    },
    range: { family: "ipv6", first: canonical, last: ipv6FromBigInt(highest) },
    addresses: () => between(larger(value, lowest + (prefix >= 127 ? 0n : 1n)), highest, ipv6FromBigInt)
  })
}
