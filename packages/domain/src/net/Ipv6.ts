import { Schema, SchemaTransformation } from "effect"

const GROUPS = 8

/** The value of an address in any of its written forms (RFC 4291, section 2.2), or undefined where it is none. */
export const ipv6ToBigInt = (text: string): bigint | undefined => {
  const [head, tail, ...more] = text.split("::")
  if (head === undefined || more.length > 0) return undefined
  const before = groupsOf(head)
  const after = tail === undefined ? [] : groupsOf(tail)
  if (before === undefined || after === undefined) return undefined
  const missing = GROUPS - before.length - after.length
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined
  return [...before, ...Array.from({ length: missing }, () => 0), ...after]
    .reduce((value, group) => (value << 16n) | BigInt(group), 0n)
}

const groupsOf = (text: string): ReadonlyArray<number> | undefined => {
  if (text === "") return []
  const parts = text.split(":")
  if (!parts.every((part) => /^[0-9a-fA-F]{1,4}$/.test(part))) return undefined
  return parts.map((part) => Number.parseInt(part, 16))
}

/** The canonical text of a 128-bit value: lower case, the longest run of two or more zero groups as `::` (RFC 5952). */
export const ipv6FromBigInt = (value: bigint): Ipv6 => Canonical.make(textOf(value))

const textOf = (value: bigint): string => {
  const groups = Array.from({ length: GROUPS }, (_, index) => Number((value >> BigInt(16 * (7 - index))) & 0xffffn))
  const run = longestZeroRun(groups)
  const text = (from: number, to: number) => groups.slice(from, to).map((group) => group.toString(16)).join(":")
  return run.length < 2 ? text(0, GROUPS) : `${text(0, run.start)}::${text(run.start + run.length, GROUPS)}`
}

const longestZeroRun = (groups: ReadonlyArray<number>): { readonly start: number; readonly length: number } => {
  let best = { start: 0, length: 0 }
  let start = 0
  for (const [index, group] of groups.entries()) {
    if (group !== 0) start = index + 1
    else if (index + 1 - start > best.length) best = { start, length: index + 1 - start }
  }
  return best
}

const canonicalText = (text: string): string | undefined => {
  const value = ipv6ToBigInt(text)
  return value === undefined ? undefined : textOf(value)
}

const Canonical = Schema.String.pipe(
  Schema.check(Schema.makeFilter((text: string) => canonicalText(text) === text || "not a canonical IPv6 address")),
  Schema.brand("Ipv6")
)

const Written = Schema.String.pipe(
  Schema.check(
    Schema.makeFilter((text: string) =>
      canonicalText(text) !== undefined || "an IPv6 address is eight groups of hex digits, or fewer with ::"
    )
  )
)

/**
 * An IPv6 address. Any written form without a zone or an embedded IPv4 part is taken, and the value is the canonical
 * form of RFC 5952, so two addresses are the same exactly when their texts are.
 */
export const Ipv6 = Written.pipe(
  Schema.decodeTo(
    Canonical,
    SchemaTransformation.transform({
      decode: (text) => canonicalText(text) ?? text,
      encode: (address) => address
    })
  )
)
export type Ipv6 = typeof Ipv6.Type
