import { RelayName } from "@patela/domain/relay/RelayName"
import { Slot } from "@patela/domain/relay/Slot"
import { Schema } from "effect"

/** An address that Patela put onto the relay link, for the relay of this name in this slot. */
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

/** The ledger with these addresses, each with its newest relay; the very same value where all are in it just so. */
export const owningAddresses = (owned: Owned, added: ReadonlyArray<OwnedAddress>): Owned => {
  const isIn = (one: OwnedAddress): boolean =>
    owned.addresses.some(({ address, relay, slot }) =>
      address === one.address && relay === one.relay && slot === one.slot
    )
  if (added.every(isIn)) return owned
  const all = new Map([...owned.addresses, ...added].map((one) => [one.address, one]))
  return { ...owned, addresses: [...all.values()].sort((one, other) => one.address < other.address ? -1 : 1) }
}

/** The ledger without these addresses; the very same value where none is in it. */
export const disowningAddresses = (owned: Owned, gone: ReadonlyArray<string>): Owned =>
  owned.addresses.some(({ address }) => gone.includes(address))
    ? { ...owned, addresses: owned.addresses.filter(({ address }) => !gone.includes(address)) }
    : owned

/** The relay that had a slot last, as far as its addresses tell; none where they name several. */
export const slotOwners = ({ addresses }: Owned): ReadonlyMap<Slot, RelayName> =>
  new Map(
    [...Map.groupBy(addresses, ({ slot }) => slot)].flatMap(([slot, all]) => {
      const [relay, ...others] = new Set(all.map((one) => one.relay))
      return relay === undefined || others.length > 0 ? [] : [[slot, relay] as const]
    })
  )
