import { Slot, SLOTS } from "@patela/domain/relay/Slot"
import { Result, Schema } from "effect"
import type { NewRelay } from "../relays/Relays.ts"
import type { Left } from "./Left.ts"
import { MOST_PER_ADDRESS } from "./OrPorts.ts"
import type { AllPools } from "./PoolRow.ts"
import { type OwnAddresses, v4Places } from "./v4Places.ts"

/** There are fewer free addresses, or free slots on the node, than are asked for. Nothing was given. */
export class PoolExhausted extends Schema.TaggedError<PoolExhausted>()("PoolExhausted", { message: Schema.String }) {}

type Holds<Value> = Pick<ReadonlySet<Value>, "has">

/** What cannot be given to the node: others have it, or it is in quarantine. */
export interface Taken {
  readonly names: Holds<string>
  /** What there is to give, with or without what is taken. */
  readonly left: Left
  /** In canonical form. Also addresses that are somebody else's: gateways and name servers. */
  readonly addresses: Holds<string>
  /** Of those the IPv4 addresses that it may put more relays on. */
  readonly own: OwnAddresses
  /** On this node. */
  readonly slots: Holds<number>
}

export interface AllocationInput {
  /** How many relays the node should be given. */
  readonly missing: number
  readonly taken: Taken
  readonly pools: AllPools
  /** How many relays of one node an IPv4 address may have. Those that are more already stay. */
  readonly perAddress: number
}

/** Where a relay may be: its slot, its addresses and its port on them. */
export type Place = Pick<NewRelay, "slot" | "ip_v4" | "ip_v6" | "or_port">

/** So many places on a node. All or none. */
export const allocatePlaces = (
  { missing, perAddress, pools, taken }: AllocationInput
): Result.Result<ReadonlyArray<Place>, PoolExhausted> => {
  const free = (address: string) => !taken.addresses.has(address)
  const v4 = firstOf(
    missing,
    v4Places(pools.v4, { own: taken.own, addresses: taken.left.v4, free, perAddress }),
    () => true
  )
  if (v4.length < missing) return Result.fail(exhausted("IPv4", pools.v4, missing, v4.length, perAddress))
  const v6 = pools.v6.length === 0 ? [] : firstOf(missing, everyOf(pools.v6, taken.left.v6), free)
  if (pools.v6.length > 0 && v6.length < missing) return Result.fail(exhausted("IPv6", pools.v6, missing, v6.length, 1))
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
    v4.flatMap((place, index) => {
      const slot = slots[index]
      return slot === undefined ? [] : [{ slot, ...place, ip_v6: v6[index] ?? null }]
    })
  )
}

/**
 * The relays that a node is to be given besides those it has. A node never loses one here, even where its hardware
 * shrank: removal is a person's decision.
 */
export const allocate = (input: AllocationInput): Result.Result<ReadonlyArray<NewRelay>, PoolExhausted> =>
  Result.map(allocatePlaces(input), (places) => {
    const names = firstOf(input.missing, input.taken.left.names(), (name) => !input.taken.names.has(name))
    return places.flatMap((place, index) => {
      const name = names[index]
      return name === undefined ? [] : [{ name, ...place, dir_port: null }]
    })
  })

function* slotNumbers(): Generator<Slot> {
  for (let slot = 0; slot < SLOTS; slot += 1) yield Slot.make(slot)
}

function* everyOf<Of, A>(all: ReadonlyArray<Of>, values: (one: Of) => Iterable<A>): Generator<A> {
  for (const one of all) yield* values(one)
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
  free: number,
  perAddress: number
): PoolExhausted => {
  const titles = pools.map(({ title }) => title).join(", ") || "none"
  const room = perAddress === 1
    ? `have ${free} free addresses and ${missing} are needed`
    : `have room for ${free} more relays of this node, with ${perAddress} to an address, and ${missing} are missing`
  const otherwise = family === "IPv4" && perAddress < MOST_PER_ADDRESS
    ? `, or have more relays of a node on one: patela pool set relays-per-address ${perAddress + 1}`
    : ""
  return new PoolExhausted({
    message:
      `the ${family} pools (${titles}) ${room}; add one on the server: patela pool add FIRST-LAST/PREFIX${otherwise}`
  })
}
