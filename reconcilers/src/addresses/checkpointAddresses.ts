import { done, failed, type Outcome } from "@patela/domain/reconciler/Outcome"
import type { Resource } from "@patela/domain/reconciler/Resource"
import { Effect } from "effect"
import { LedgerReader } from "../ledger/LedgerReader.ts"
import { LedgerWriter } from "../ledger/LedgerWriter.ts"
import { nothingOwned, type OwnedAddress } from "../ledger/Owned.ts"
import { AddressReader, type HostAddress, type HostLink } from "./AddressReader.ts"
import { type AddressStep, AddressWriter } from "./AddressWriter.ts"
import { type DesiredAddress, LINK } from "./DesiredAddress.ts"
import { isPatelas, type WantedLink } from "./diffAddresses.ts"

/**
 * Remembers whether the relay link is up, and which of the addresses that applying `desired` may touch are on it: those
 * that it asks for, those of its pools, and those in the ledger. The effect puts just these back, on the link and in the
 * ledger, once or any number of times. What others put onto the link, or have there, stays.
 *
 * An address comes back as Patela writes one, without a route in the main table. An address list has no order.
 */
export const checkpointAddresses = Effect.fn("Addresses.checkpoint")(
  function*(desired: ReadonlyArray<Resource<DesiredAddress>>) {
    const reader = yield* AddressReader
    const wanted = desired.find(({ address }) => address === LINK)?.value
    // Without a relay link nothing of this kind is applied.
    if (wanted?.is !== "link") return Effect.succeed(done)
    const ledger = yield* LedgerReader
    const { addresses: noted } = yield* ledger.read
    const asked = desired.flatMap(({ value }) => value.is === "address" ? [value.address] : [])
    // A ledger that was damaged since keeps nothing from being put back.
    const entries = Effect.map(Effect.orElseSucceed(ledger.read, () => nothingOwned), ({ addresses }) => addresses)
    const look = Effect.gen(function*() {
      const own = new Set([...asked, ...[...noted, ...yield* entries].map(({ address }) => address)])
      return stateOf(yield* reader.links, wanted, own)
    })
    const before = yield* look
    return restore({ link: wanted.link, before, noted, entries, look })
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
  owned: ReadonlySet<string>
): LinkState | undefined => {
  const link = links.find(({ name }) => name === wanted.link)
  if (link === undefined) return undefined
  const own = link.addresses.filter((one) => owned.has(one.address) || isPatelas(one, false, wanted))
  return {
    up: link.up,
    addresses: new Map(own.map(({ address, prefix }) => [`${address}/${prefix}`, { address, prefix }]))
  }
}

interface Before {
  readonly link: string
  readonly before: LinkState | undefined
  /** What the ledger had. */
  readonly noted: ReadonlyArray<OwnedAddress>
  /** What it has now. */
  readonly entries: Effect.Effect<ReadonlyArray<OwnedAddress>>
  readonly look: Effect.Effect<LinkState | undefined, { readonly message: string }>
}

const restore = (
  { before, entries, link, look, noted }: Before
): Effect.Effect<Outcome, never, AddressWriter | LedgerWriter> =>
  Effect.gen(function*() {
    const writer = yield* AddressWriter
    const ledger = yield* LedgerWriter
    const complaints: Array<string> = []
    const perform = Effect.fnUntraced(function*(steps: ReadonlyArray<AddressStep>) {
      const reasons = steps.length === 0 ? [] : yield* writer.perform(steps)
      complaints.push(...reasons.flatMap((reason) => reason === undefined ? [] : [reason]))
    })
    const found = yield* look
    if (found === undefined) return before === undefined ? done : failed(`the relay link ${link} is gone`)
    // The link first: one that goes down loses its IPv6 addresses, whichever stood there.
    if (before !== undefined && found.up !== before.up) yield* perform([{ step: before.up ? "up" : "down", link }])
    const back = stepsBack(link, before, yield* look)
    const complain = ({ message }: { readonly message: string }) => Effect.sync(() => void complaints.push(message))
    yield* ledger.ownAddresses(noted).pipe(Effect.catch(complain))
    yield* perform(back)
    const addressesOf = (state: LinkState | undefined) => [...state?.addresses.values() ?? []]
    // Not all that is gone was removed: a link that goes down loses its IPv6 addresses.
    const there = new Set(addressesOf(yield* look).map(({ address }) => address))
    const known = new Set([...addressesOf(before), ...noted].map(({ address }) => address))
    const isNew = (one: OwnedAddress) =>
      !noted.some(({ address, relay }) => address === one.address && relay === one.relay) &&
      (!there.has(one.address) || known.has(one.address))
    yield* ledger.disownAddresses((yield* entries).filter(isNew)).pipe(Effect.catch(complain))
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
