import { Schema } from "effect"
import { Ipv4, ipv4ToNumber } from "./Ipv4.ts"
import { Ipv6, ipv6ToBigInt } from "./Ipv6.ts"

const prefixUpTo = (bits: number) =>
  Schema.optionalKey(Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: bits }))))

/**
 * Both ends of a range of addresses, inclusive, of one family. `prefix` is the length in bits of the network that they are
 * in, where it is said.
 */
export const AddressRange = Schema.Union([
  Schema.Struct({ family: Schema.Literal("ipv4"), first: Ipv4, last: Ipv4, prefix: prefixUpTo(32) }),
  Schema.Struct({ family: Schema.Literal("ipv6"), first: Ipv6, last: Ipv6, prefix: prefixUpTo(128) })
])
export type AddressRange = typeof AddressRange.Type

/** Whether an address of the range's family, in any written form, lies in the range. */
export const rangeHolds = (range: AddressRange, address: string): boolean => {
  const value = valueOf(range.family, address)
  const first = valueOf(range.family, range.first)
  const last = valueOf(range.family, range.last)
  return value !== undefined && first !== undefined && last !== undefined && first <= value && value <= last
}

const valueOf = (family: AddressRange["family"], address: string): bigint | undefined => {
  if (family === "ipv6") return ipv6ToBigInt(address)
  return Schema.is(Ipv4)(address) ? BigInt(ipv4ToNumber(address)) : undefined
}
