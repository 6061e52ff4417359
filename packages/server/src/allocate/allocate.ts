import type { Ipv4 } from "@patela/domain/net/Ipv4"
import type { Ipv6 } from "@patela/domain/net/Ipv6"
import { Slot, SLOTS } from "@patela/domain/relay/Slot"
import { Result, Schema } from "effect"
import type { NewRelay } from "../relays/Relays.ts"
import type { AllPools } from "./PoolRow.ts"
import { relayNames } from "./relayNames.ts"

/** The ORPort of every relay: each has addresses of its own, so all can have the port that few firewalls block. */
export const OR_PORT = 443

/** There are fewer free addresses, or free slots on the node, than are asked for. Nothing was given. */
export class PoolExhausted extends Schema.TaggedError<PoolExhausted>()("PoolExhausted", { message: Schema.String }) {}

/** What cannot be given to the node: others have it, or it is in quarantine. */
export interface Taken {
  readonly names: ReadonlySet<string>
  /** In canonical form. Also addresses that are somebody else's: gateways and name servers. */
  readonly addresses: ReadonlySet<string>
  /** On this node. */
  readonly slots: ReadonlySet<number>
}

export interface AllocationInput {
  /** How many relays the node should be given. */
  readonly missing: number
  readonly taken: Taken
  readonly pools: AllPools
}

/** Where a relay may be: its slot and its addresses. */
export type Place = Pick<NewRelay, "slot" | "ip_v4" | "ip_v6">

/** So many places on a node. All or none. */
export const allocatePlaces = (
  { missing, pools, taken }: AllocationInput
): Result.Result<ReadonlyArray<Place>, PoolExhausted> => {
  const free = (address: string) => !taken.addresses.has(address)
  const v4 = firstOf(missing, everyAddress<Ipv4>(pools.v4), free)
  if (v4.length < missing) return Result.fail(exhausted("IPv4", pools.v4, missing, v4.length))
  const v6 = pools.v6.length === 0 ? [] : firstOf(missing, everyAddress<Ipv6>(pools.v6), free)
  if (pools.v6.length > 0 && v6.length < missing) return Result.fail(exhausted("IPv6", pools.v6, missing, v6.length))
  const slots = firstOf(missing, slotNumbers(), (slot) => !taken.slots.has(slot))
  if (slots.length < missing) {
    return Result.fail(
      new PoolExhausted({
        message:
          `${slots.length} of the node's ${SLOTS} slots are free and ${missing} are needed; those of relays that ` +
          "were removed become free with time (patela pool get quarantine)"
      })
    )
  }
  return Result.succeed(
    v4.flatMap((ip_v4, index) => {
      const slot = slots[index]
      return slot === undefined ? [] : [{ slot, ip_v4, ip_v6: v6[index] ?? null }]
    })
  )
}

/**
 * The relays that a node is to be given besides those it has. A node never loses one here, even where its hardware
 * shrank: removal is a person's decision.
 */
export const allocate = (input: AllocationInput): Result.Result<ReadonlyArray<NewRelay>, PoolExhausted> =>
  Result.map(allocatePlaces(input), (places) => {
    const names = firstOf(input.missing, relayNames(), (name) => !input.taken.names.has(name))
    return places.flatMap((place, index) => {
      const name = names[index]
      return name === undefined ? [] : [{ name, ...place, or_port: OR_PORT, dir_port: null }]
    })
  })

function* slotNumbers(): Generator<Slot> {
  for (let slot = 0; slot < SLOTS; slot += 1) yield Slot.make(slot)
}

function* everyAddress<Address>(
  pools: ReadonlyArray<{ readonly addresses: () => Iterable<Address> }>
): Generator<Address> {
  for (const pool of pools) yield* pool.addresses()
}

const firstOf = <A>(count: number, values: Iterable<A>, wanted: (value: A) => boolean): ReadonlyArray<A> => {
  const found: Array<A> = []
  if (count === 0) return found
  for (const value of values) {
    if (wanted(value)) found.push(value)
    if (found.length === count) break
  }
  return found
}

const exhausted = (
  family: "IPv4" | "IPv6",
  pools: ReadonlyArray<{ readonly title: string }>,
  missing: number,
  free: number
): PoolExhausted =>
  new PoolExhausted({
    message: `the ${family} pools (${
      pools.map(({ title }) => title).join(", ") || "none"
    }) have ${free} free addresses ` +
      `and ${missing} are needed; add one on the server: patela pool add FIRST-LAST/PREFIX`
  })
