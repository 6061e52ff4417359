import type { Resource, ResourceAddress } from "@patela/domain/reconciler/Resource"
import { RelayName, userOf } from "@patela/domain/relay/RelayName"
import { Option, Schema } from "effect"
import type { Owned } from "../ledger/Owned.ts"
import type { AccountTables, Group, User } from "./AccountTables.ts"
import { accountAddress, type DesiredAccount } from "./DesiredAccount.ts"

/** What the host has of the account of one relay. `conflicts` are numbers that somebody else has. */
export interface ObservedAccount {
  readonly relay: RelayName
  readonly user: User | undefined
  readonly group: Group | undefined
  /** The ledger says that Patela made it. */
  readonly owned: boolean
  readonly conflicts: ReadonlyArray<string>
}

const decodeName = Schema.decodeUnknownOption(RelayName)
const PREFIX = userOf(RelayName.make("x")).slice(0, -1)

const relayOf = (account: string): Option.Option<RelayName> =>
  account.startsWith(PREFIX) ? decodeName(account.slice(PREFIX.length)) : Option.none()

/** Everything that bears on accounts of relays: those there, those in the ledger, and numbers taken by others. */
export const observedAccounts = (
  tables: AccountTables,
  owned: Owned,
  desired: ReadonlyArray<Resource<DesiredAccount>>
): ReadonlyMap<ResourceAddress, ObservedAccount> => {
  const users = new Map(tables.users.map((user) => [user.name, user]))
  const groups = new Map(tables.groups.map((group) => [group.name, group]))
  const made = new Set(owned.accounts)
  const conflicts = new Map(
    desired.map(({ value }) => [value.relay, conflictsOf(tables, value, made.has(value.relay))])
  )

  const relays = new Set([
    ...[...users.keys(), ...groups.keys()].flatMap((name) => Option.toArray(relayOf(name))),
    ...made,
    ...[...conflicts].flatMap(([relay, found]) => (found.length > 0 ? [relay] : []))
  ])
  return new Map(
    [...relays].map((relay) => [accountAddress(relay), {
      relay,
      user: users.get(userOf(relay)),
      group: groups.get(userOf(relay)),
      owned: made.has(relay),
      conflicts: conflicts.get(relay) ?? []
    }])
  )
}

/**
 * Who or what has the account's name or number otherwise than wanted. One half of an account that Patela did not make
 * is such a conflict too: to complete it would make somebody else's account Patela's.
 */
export const conflictsOf = (
  tables: AccountTables,
  { id, relay }: DesiredAccount,
  owned: boolean
): ReadonlyArray<string> => {
  const account = userOf(relay)
  const user = tables.users.find(({ name }) => name === account)
  const group = tables.groups.find(({ name }) => name === account)
  return [
    ...(user === undefined || user.uid === id ? [] : [`user ${account} has UID ${user.uid} and not ${id}`]),
    ...(user === undefined || user.gid === id ? [] : [`user ${account} has group ${user.gid} and not ${id}`]),
    ...(group === undefined || group.gid === id ? [] : [`group ${account} has GID ${group.gid} and not ${id}`]),
    ...(owned || user === undefined || group !== undefined ? [] : [`somebody made user ${account} without its group`]),
    ...(owned || group === undefined || user !== undefined ? [] : [`somebody made group ${account} without its user`]),
    ...tables.users.filter(({ name, uid }) => uid === id && name !== account)
      .map(({ name }) => `UID ${id} belongs to ${name}`),
    ...tables.groups.filter(({ gid, name }) => gid === id && name !== account)
      .map(({ name }) => `GID ${id} belongs to group ${name}`)
  ]
}
