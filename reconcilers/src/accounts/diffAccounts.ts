import { type Change, differences } from "@patela/domain/reconciler/Change"
import { relayScope, type Resource, type ResourceAddress } from "@patela/domain/reconciler/Resource"
import { userOf } from "@patela/domain/relay/RelayName"
import { UID_BASE, UID_LAST } from "@patela/domain/relay/Slot"
import type { DesiredAccount } from "./DesiredAccount.ts"
import type { ObservedAccount } from "./ObservedAccount.ts"

export type AccountChange = Change<DesiredAccount, ObservedAccount>

/** Pure. Numbers and names are managed of every account of a relay; home and shell only of those that Patela made. */
export const diffAccounts = (
  desired: ReadonlyArray<Resource<DesiredAccount>>,
  observed: ReadonlyMap<ResourceAddress, ObservedAccount>
): ReadonlyArray<AccountChange> => {
  const wanted = new Set(desired.map(({ address }) => address))
  // A name that stands in the ledger alone is still to be made where it is wanted, and else to be struck out.
  const seen = [...observed].filter(([address, account]) =>
    !wanted.has(address) || account.conflicts.length > 0 || account.user !== undefined || account.group !== undefined
  )
  return differences({
    desired,
    observed: new Map(seen),
    compare,
    created: (account) => [`user and group ${userOf(account.relay)}, UID and GID ${account.id}`],
    removed
  })
}

const compare = (
  desired: DesiredAccount,
  { conflicts, group, owned, user }: ObservedAccount
): ReadonlyArray<string> => {
  if (conflicts.length > 0) return conflicts
  const name = userOf(desired.relay)
  return [
    ...(user === undefined ? [`user ${name} is missing`] : []),
    ...(group === undefined ? [`group ${name} is missing`] : []),
    ...(owned && user !== undefined && user.home !== desired.home ? [`home ${user.home} -> ${desired.home}`] : []),
    ...(owned && user !== undefined && user.shell !== desired.shell ? [`shell ${user.shell} -> ${desired.shell}`] : [])
  ]
}

/** An account is Patela's to remove if the ledger has it and its number is of the range that slots give. */
const removed = ({ group, owned, relay, user }: ObservedAccount) => {
  const ours = [user?.uid, group?.gid].every((id) => id === undefined || (id >= UID_BASE && id <= UID_LAST))
  if (!owned || !ours) return undefined
  const name = userOf(relay)
  const lines = user === undefined && group === undefined
    ? [`${name} is gone, but stands in the ledger`]
    : [`user and group ${name}`]
  return { scope: relayScope(relay), lines }
}
