import { RelayName } from "@patela/domain/relay/RelayName"
import { Slot } from "@patela/domain/relay/Slot"
import { Schema } from "effect"

/**
 * An address that Patela put onto the relay link, for the relay of this name in this slot. One that several relays have
 * stands here once for each.
 */
export const OwnedAddress = Schema.Struct({ address: Schema.NonEmptyString, relay: RelayName, slot: Slot })
export type OwnedAddress = typeof OwnedAddress.Type

/**
 * What Patela made on this boot, by the relay's name: accounts are `_tor-NAME`, instances the directories of
 * `tor@NAME`. Only what stands here is ever removed; of addresses also what is in the pools of the configuration.
 */
export const Owned = Schema.Struct({
  accounts: Schema.Array(RelayName),
  instances: Schema.Array(RelayName),
  addresses: Schema.Array(OwnedAddress)
})
export type Owned = typeof Owned.Type

/** Which list of names. */
export type OwnedPart = "accounts" | "instances"

export const nothingOwned: Owned = { accounts: [], instances: [], addresses: [] }

/** The ledger with these names too; the very same value where they are all in it. */
export const owning = (owned: Owned, part: OwnedPart, names: ReadonlyArray<RelayName>): Owned =>
  names.every((name) => owned[part].includes(name))
    ? owned
    : { ...owned, [part]: [...new Set([...owned[part], ...names])].sort() }

/** The ledger without these names; the very same value where none is in it. */
export const disowning = (owned: Owned, part: OwnedPart, names: ReadonlyArray<RelayName>): Owned =>
  names.some((name) => owned[part].includes(name))
    ? { ...owned, [part]: owned[part].filter((name) => !names.includes(name)) }
    : owned

/** An address of one relay, whichever slot that has. */
export type AddressOf = Pick<OwnedAddress, "address" | "relay">

const keyOf = ({ address, relay }: AddressOf): string => `${address} ${relay}`

/**
 * The ledger with these addresses of these relays too; the very same value where all are in it just so. `anew` are those of
 * them that are on the link of nobody yet: whoever it speaks of as having them had them before.
 */
export const owningAddresses = (
  owned: Owned,
  added: ReadonlyArray<OwnedAddress>,
  anew: ReadonlyArray<string> = []
): Owned => {
  const isIn = (one: OwnedAddress): boolean =>
    owned.addresses.some(({ address, relay, slot }) =>
      address === one.address && relay === one.relay && slot === one.slot
    )
  const keys = new Set(added.map(keyOf))
  const stays = (one: OwnedAddress): boolean => keys.has(keyOf(one)) || !anew.includes(one.address)
  if (added.every(isIn) && owned.addresses.every(stays)) return owned
  const all = new Map([...owned.addresses.filter(stays), ...added].map((one) => [keyOf(one), one]))
  return { ...owned, addresses: [...all.values()].sort((one, other) => keyOf(one) < keyOf(other) ? -1 : 1) }
}

/** The ledger without these addresses of these relays; the very same value where none is in it. */
export const disowningAddresses = (owned: Owned, gone: ReadonlyArray<AddressOf>): Owned => {
  const keys = new Set(gone.map(keyOf))
  return owned.addresses.some((one) => keys.has(keyOf(one)))
    ? { ...owned, addresses: owned.addresses.filter((one) => !keys.has(keyOf(one))) }
    : owned
}

/** The relay that had a slot last, as far as its addresses tell; none where they name several. */
export const slotOwners = ({ addresses }: Owned): ReadonlyMap<Slot, RelayName> =>
  new Map(
    [...Map.groupBy(addresses, ({ slot }) => slot)].flatMap(([slot, all]) => {
      const [relay, ...others] = new Set(all.map((one) => one.relay))
      return relay === undefined || others.length > 0 ? [] : [[slot, relay] as const]
    })
  )
