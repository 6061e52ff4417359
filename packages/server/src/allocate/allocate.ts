import type { Ipv4 } from "@patela/domain/net/Ipv4"
import type { Ipv6 } from "@patela/domain/net/Ipv6"
import { Slot, SLOTS } from "@patela/domain/relay/Slot"
import { Result, Schema } from "effect"
import type { NewRelay } from "../relays/Relays.ts"
import type { Pool } from "./AddressPool.ts"
import { relayNames } from "./relayNames.ts"

/** The ORPort of every relay: each has addresses of its own, so all can have the port that few firewalls block. */
export const OR_PORT = 443

/** A pool has fewer free addresses than are asked for. Nothing was given. */
export class PoolExhausted extends Schema.TaggedError<PoolExhausted>()("PoolExhausted", { message: Schema.String }) {}

export interface AllocationInput {
  /** How many relays the node should have. */
  readonly wanted: number
  /** The slots of the relays that it has already. */
  readonly slots: ReadonlyArray<number>
  /** What the relays of all nodes have, in canonical form. */
  readonly taken: { readonly names: ReadonlySet<string>; readonly addresses: ReadonlySet<string> }
  readonly pools: { readonly v4: Pool<Ipv4>; readonly v6: Pool<Ipv6> | undefined }
  /** Addresses that are somebody else's: gateways and name servers. */
  readonly reserved: ReadonlySet<string>
}

/**
 * The relays that a node is to be given besides those it has. A node never loses one here, even where its hardware
 * shrank: removal is a person's decision.
 */
export const allocate = (input: AllocationInput): Result.Result<ReadonlyArray<NewRelay>, PoolExhausted> => {
  const missing = Math.max(0, input.wanted - input.slots.length)
  const free = (address: string) => !input.taken.addresses.has(address) && !input.reserved.has(address)
  const v4 = firstOf(missing, input.pools.v4.addresses(), free)
  if (v4.length < missing) return Result.fail(exhausted(input.pools.v4, missing, v4.length))
  const v6 = input.pools.v6 === undefined ? [] : firstOf(missing, input.pools.v6.addresses(), free)
  if (input.pools.v6 !== undefined && v6.length < missing) {
    return Result.fail(exhausted(input.pools.v6, missing, v6.length))
  }
  const names = firstOf(missing, relayNames(), (name) => !input.taken.names.has(name))
  const held = new Set(input.slots)
  const slots = firstOf(missing, slotNumbers(), (slot) => !held.has(slot))
  return Result.succeed(
    names.flatMap((name, index) => {
      const slot = slots[index]
      const ip_v4 = v4[index]
      return slot === undefined || ip_v4 === undefined
        ? []
        : [{ name, slot, ip_v4, ip_v6: v6[index] ?? null, or_port: OR_PORT, dir_port: null }]
    })
  )
}

function* slotNumbers(): Generator<Slot> {
  for (let slot = 0; slot < SLOTS; slot += 1) yield Slot.make(slot)
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

const exhausted = (pool: { readonly title: string }, missing: number, free: number): PoolExhausted =>
  new PoolExhausted({
    message: `${pool.title} has ${free} free addresses and ${missing} are needed; give the server a larger pool`
  })
