import { done, failed, type Outcome } from "@patela/domain/reconciler/Outcome"
import type { Resource } from "@patela/domain/reconciler/Resource"
import { Effect } from "effect"
import { AddressReader, type HostAddress, type HostLink } from "./AddressReader.ts"
import { type AddressStep, AddressWriter } from "./AddressWriter.ts"
import { type DesiredAddress, LINK } from "./DesiredAddress.ts"
import { isInPools, type WantedLink } from "./diffAddresses.ts"

/**
 * Remembers whether the relay link is up, and which of the addresses that applying `desired` may touch are on it: those
 * that it asks for, and those of its pools. The effect puts just these back, once or any number of times. What others
 * put onto the link, or have there, stays.
 *
 * An address comes back as Patela writes one, without a route in the main table. An address list has no order.
 */
export const checkpointAddresses = Effect.fn("Addresses.checkpoint")(
  function*(desired: ReadonlyArray<Resource<DesiredAddress>>) {
    const reader = yield* AddressReader
    const wanted = desired.find(({ address }) => address === LINK)?.value
    // Without a relay link nothing of this kind is applied.
    if (wanted?.is !== "link") return Effect.succeed(done)
    const asked = new Set(desired.flatMap(({ value }) => value.is === "address" ? [value.address] : []))
    const look = reader.links.pipe(Effect.map((links) => stateOf(links, wanted, asked)))
    const before = yield* look
    return restore(wanted.link, before, look)
  }
)

/** The link as far as it is Patela's; undefined where there is no such link. Addresses by `ADDRESS/PREFIX`. */
interface LinkState {
  readonly up: boolean
  readonly addresses: ReadonlyMap<string, Pick<HostAddress, "address" | "prefix">>
}

const stateOf = (
  links: ReadonlyArray<HostLink>,
  wanted: WantedLink,
  asked: ReadonlySet<string>
): LinkState | undefined => {
  const link = links.find(({ name }) => name === wanted.link)
  if (link === undefined) return undefined
  const own = link.addresses.filter((one) => asked.has(one.address) || isInPools(one, wanted))
  return {
    up: link.up,
    addresses: new Map(own.map(({ address, prefix }) => [`${address}/${prefix}`, { address, prefix }]))
  }
}

const restore = (
  link: string,
  before: LinkState | undefined,
  look: Effect.Effect<LinkState | undefined, { readonly message: string }>
): Effect.Effect<Outcome, never, AddressWriter> =>
  Effect.gen(function*() {
    const writer = yield* AddressWriter
    const complaints: Array<string> = []
    const perform = Effect.fnUntraced(function*(steps: ReadonlyArray<AddressStep>) {
      const reasons = steps.length === 0 ? [] : yield* writer.perform(steps)
      complaints.push(...reasons.flatMap((reason) => reason === undefined ? [] : [reason]))
    })
    const found = yield* look
    if (found === undefined) return before === undefined ? done : failed(`the relay link ${link} is gone`)
    // The link first: one that goes down loses its IPv6 addresses, whichever stood there.
    if (before !== undefined && found.up !== before.up) yield* perform([{ step: before.up ? "up" : "down", link }])
    yield* perform(stepsBack(link, before, yield* look))
    const left = differences(before, yield* look)
    if (left.length === 0) return done
    const why = complaints.length === 0 ? "" : `: ${[...new Set(complaints)].join("; ")}`
    return failed(`the relay link ${link} is not as it was (${left.join(", ")})${why}`)
  }).pipe(
    Effect.catch(({ message }) => Effect.succeed(failed(`the relay link ${link} may not be as it was: ${message}`))),
    Effect.withSpan("Addresses.restore")
  )

/**
 * What comes back comes before the rest goes: a link without any IPv4 address loses its IPv4 routes, those of table 8020
 * among them (fib_disable_ip, net/ipv4/fib_frontend.c).
 */
const stepsBack = (
  link: string,
  before: LinkState | undefined,
  now: LinkState | undefined
): ReadonlyArray<AddressStep> => [
  ...missingFrom(now, before).map(([, place]): AddressStep => ({ step: "add", link, ...place })),
  ...missingFrom(before, now).map(([, place]): AddressStep => ({ step: "remove", link, ...place }))
]

const missingFrom = (state: LinkState | undefined, other: LinkState | undefined) =>
  [...other?.addresses ?? []].filter(([key]) => state?.addresses.has(key) !== true)

const differences = (before: LinkState | undefined, now: LinkState | undefined): ReadonlyArray<string> => [
  ...(before !== undefined && now?.up !== before.up ? [`it is ${before.up ? "down" : "up"}`] : []),
  ...missingFrom(now, before).map(([key]) => `${key} is missing`),
  ...missingFrom(before, now).map(([key]) => `${key} is too many`)
]
