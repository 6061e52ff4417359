import { RelayName } from "@patela/domain/relay/RelayName"
import { Schema } from "effect"

/**
 * What Patela made on this boot, by the relay's name: accounts are `_tor-NAME`, instances the directories of
 * `tor@NAME`. Only what stands here is ever removed.
 */
export const Owned = Schema.Struct({
  accounts: Schema.Array(RelayName),
  instances: Schema.Array(RelayName)
})
export type Owned = typeof Owned.Type

/** Which list of the ledger. */
export type OwnedPart = keyof Owned

export const nothingOwned: Owned = { accounts: [], instances: [] }

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
