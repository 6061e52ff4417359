import { Schema } from "effect"

const DOTTED = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\.){3}(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)$/

/** An IPv4 address as four decimal numbers without leading zeros, which is also its one canonical form. */
export const Ipv4 = Schema.String.pipe(
  Schema.check(Schema.isPattern(DOTTED, { message: "an IPv4 address is four numbers from 0 to 255 with dots" })),
  Schema.brand("Ipv4")
)
export type Ipv4 = typeof Ipv4.Type

/** The address as an unsigned 32-bit number. */
export const ipv4ToNumber = (address: Ipv4): number =>
  address.split(".").reduce((number, part) => number * 256 + Number(part), 0)

/** The address of an unsigned 32-bit number; bits above the 32nd are dropped. */
export const ipv4FromNumber = (number: number): Ipv4 =>
  Ipv4.make([24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join("."))
