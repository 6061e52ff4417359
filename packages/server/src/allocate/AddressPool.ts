import type { AddressRange } from "@patela/domain/net/AddressRange"
import { Ipv4, ipv4FromNumber, ipv4ToNumber } from "@patela/domain/net/Ipv4"
import { type Ipv6, ipv6FromBigInt, ipv6ToBigInt } from "@patela/domain/net/Ipv6"
import { Result, Schema } from "effect"
import { remembered } from "./remembered.ts"

type FamilyOf<Address extends Ipv4 | Ipv6> = Address extends Ipv4 ? "ipv4" : "ipv6"

/**
 * The addresses from `first` to `last`, both in one network; `prefix` is the network's length in bits. Of them a relay may
 * have those that are no network, broadcast or subnet-router address, and not in `reserved`.
 */
export interface Pool<Address extends Ipv4 | Ipv6> {
  readonly family: FamilyOf<Address>
  readonly first: Address
  readonly last: Address
  readonly prefix: number
  readonly reserved: ReadonlySet<Address>
  /** What people call it in messages, such as `192.0.2.10-192.0.2.255/24`. */
  readonly title: string
  /** Whether an address, in canonical form, lies in the network of the pool, before `first` and after `last` too. */
  readonly networkHolds: (address: Address) => boolean
  readonly range: AddressRange
  /** Whether a relay may have the address. */
  readonly holds: (address: string) => boolean
  /** How many addresses relays may have. */
  readonly size: bigint
  /** The addresses that a relay may have, in order. */
  readonly addresses: () => Generator<Address>
}

/** What is said of a pool besides its first address and its prefix. */
export interface PoolBounds {
  /** The end of the network, unless told. */
  readonly last?: string | undefined
  readonly reserved?: ReadonlyArray<string> | undefined
}

/** Addresses and a prefix that make no pool. */
export class PoolRefused extends Schema.TaggedError<PoolRefused>()("PoolRefused", { message: Schema.String }) {}

interface Family<Address extends Ipv4 | Ipv6> {
  readonly family: FamilyOf<Address>
  readonly title: "IPv4" | "IPv6"
  readonly bits: 32 | 128
  readonly example: string
  readonly read: (text: string) => bigint | undefined
  readonly write: (value: bigint) => Address
  /** How many addresses at the two ends of a network of this length no relay may have. */
  readonly edges: (prefix: number) => { readonly low: bigint; readonly high: bigint }
  readonly range: (first: Address, last: Address, prefix: number) => AddressRange
  /** Addresses by the first and last value of their range, made once for all pools that are read of it. */
  readonly made: Map<string, () => Generator<Address>>
}

/** A /31 and a /32 have neither a network nor a broadcast address (RFC 3021). */
const V4: Family<Ipv4> = {
  family: "ipv4",
  title: "IPv4",
  bits: 32,
  example: "192.0.2.10",
  read: (text) => Schema.is(Ipv4)(text) ? BigInt(ipv4ToNumber(text)) : undefined,
  write: (value) => ipv4FromNumber(Number(value)),
  edges: (prefix) => prefix >= 31 ? { low: 0n, high: 0n } : { low: 1n, high: 1n },
  range: (first, last, prefix) => ({ family: "ipv4", first, last, prefix }),
  made: new Map()
}

/** The lowest of a network belongs to its routers (RFC 4291, section 2.6.1). */
const V6: Family<Ipv6> = {
  family: "ipv6",
  title: "IPv6",
  bits: 128,
  example: "2001:db8::10",
  read: ipv6ToBigInt,
  write: ipv6FromBigInt,
  edges: (prefix) => prefix >= 127 ? { low: 0n, high: 0n } : { low: 1n, high: 0n },
  range: (first, last, prefix) => ({ family: "ipv6", first, last, prefix }),
  made: new Map()
}

function* between<Address>(first: bigint, last: bigint, make: (value: bigint) => Address): Generator<Address> {
  for (let value = first; value <= last; value += 1n) yield make(value)
}

/** Of how many ranges addresses are kept; a server has a few. */
const RANGES = 256

const addressesOf = <Address extends Ipv4 | Ipv6>(
  { made, write }: Family<Address>,
  from: bigint,
  to: bigint
): Generator<Address> => {
  const key = `${from}-${to}`
  const known = made.get(key)
  if (known !== undefined) return known()
  if (made.size >= RANGES) made.clear()
  const addresses = remembered(() => between(from, to, write))
  made.set(key, addresses)
  return addresses()
}

const larger = (a: bigint, b: bigint): bigint => a > b ? a : b
const smaller = (a: bigint, b: bigint): bigint => a < b ? a : b

const poolOf = <Address extends Ipv4 | Ipv6>(
  of: Family<Address>,
  firstText: string,
  prefix: number,
  bounds: PoolBounds
): Result.Result<Pool<Address>, PoolRefused> => {
  const refuse = (message: string) => Result.fail(new PoolRefused({ message }))
  const value = of.read(firstText)
  if (value === undefined) return refuse(`the first address is not an ${of.title} address such as ${of.example}`)
  if (!Number.isInteger(prefix) || prefix < 1 || prefix > of.bits) {
    return refuse(`the prefix of an ${of.title} pool is a number from 1 to ${of.bits}`)
  }
  const size = 1n << BigInt(of.bits - prefix)
  const lowest = value - value % size
  const highest = lowest + size - 1n
  const last = bounds.last === undefined ? highest : of.read(bounds.last)
  if (last === undefined) return refuse(`the last address is not an ${of.title} address such as ${of.example}`)
  if (last < value) return refuse("the last address is before the first")
  if (last > highest) return refuse(`the last address is not in the /${prefix} of the first`)

  const edges = of.edges(prefix)
  const from = larger(value, lowest + edges.low)
  const to = smaller(last, highest - edges.high)
  if (to < from) return refuse("no relay could have any of its addresses: they are the network's or broadcast address")
  const holdsValue = (number: bigint | undefined) => number !== undefined && from <= number && number <= to
  const reserved = new Set<Address>()
  for (const text of bounds.reserved ?? []) {
    const number = of.read(text)
    if (number === undefined) {
      return refuse(`the reserved address ${JSON.stringify(text)} is not an ${of.title} address`)
    }
    if (!holdsValue(number)) return refuse(`the reserved address ${text} is none that a relay could have from it`)
    reserved.add(of.write(number))
  }
  const [first, end] = [of.write(value), of.write(last)]
  const unreserved: ReadonlySet<string> = reserved
  return Result.succeed({
    family: of.family,
    first,
    last: end,
    prefix,
    reserved,
    title: `${first}-${end}/${prefix}`,
    networkHolds: (other) => {
      const number = of.read(other)
      return number !== undefined && lowest <= number && number <= highest
    },
    range: of.range(first, end, prefix),
    holds: (address) => !unreserved.has(address) && holdsValue(of.read(address)),
    size: to - from + 1n - BigInt(reserved.size),
    addresses: function*() {
      for (const address of addressesOf(of, from, to)) if (!reserved.has(address)) yield address
    }
  })
}

/** A pool of IPv4 addresses. */
export const poolV4 = (
  first: string,
  prefix: number,
  bounds: PoolBounds = {}
): Result.Result<Pool<Ipv4>, PoolRefused> => poolOf(V4, first, prefix, bounds)

/** A pool of IPv6 addresses. */
export const poolV6 = (
  first: string,
  prefix: number,
  bounds: PoolBounds = {}
): Result.Result<Pool<Ipv6>, PoolRefused> => poolOf(V6, first, prefix, bounds)

/** Whether two ranges have an address in common. */
export const overlap = (one: AnyPool, other: AnyPool): boolean => {
  if (one.family !== other.family) return false
  const { read } = one.family === "ipv4" ? V4 : V6
  const [firstOne, lastOne] = [read(one.first), read(one.last)]
  const [firstOther, lastOther] = [read(other.first), read(other.last)]
  return firstOne !== undefined && lastOne !== undefined && firstOther !== undefined && lastOther !== undefined &&
    firstOne <= lastOther && firstOther <= lastOne
}

/** What pools of both families have. */
export type AnyPool = Pool<Ipv4> | Pool<Ipv6>
