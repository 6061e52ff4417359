import { done, failed, type Outcome } from "@patela/domain/reconciler/Outcome"
import type { ResourceAddress } from "@patela/domain/reconciler/Resource"
import { userOf } from "@patela/domain/relay/RelayName"
import { Effect } from "effect"
import { LedgerWriter } from "../ledger/LedgerWriter.ts"
import { AccountReader } from "./AccountReader.ts"
import { type AccountRepair, AccountWriter } from "./AccountWriter.ts"
import type { DesiredAccount } from "./DesiredAccount.ts"
import type { AccountChange } from "./diffAccounts.ts"
import { conflictsOf, type ObservedAccount } from "./ObservedAccount.ts"

/**
 * Removes first, for a number that becomes free may be wanted by another relay; then makes all missing accounts at once.
 * Removals and repairs go one after the other: they lock the same file.
 */
export const applyAccounts = Effect.fn("accounts.apply")(function*(changes: ReadonlyArray<AccountChange>) {
  const outcomes = new Map<ResourceAddress, Outcome>()
  for (const change of changes) {
    if (change.action === "remove") outcomes.set(change.address, yield* outcomeOf(removeAccount(change.observed)))
  }
  const missing: Array<{ readonly address: ResourceAddress; readonly desired: DesiredAccount }> = []
  for (const change of changes) {
    if (change.action === "remove") continue
    const conflicts = change.action === "create" ? [] : yield* conflictsNow(change)
    if (conflicts.length > 0) outcomes.set(change.address, failed(conflictMessage(change.desired, conflicts)))
    else if (change.action === "create" || change.observed.user === undefined || change.observed.group === undefined) {
      missing.push(change)
    } else outcomes.set(change.address, yield* outcomeOf(repairAccount(change.desired, change.observed)))
  }
  for (const [address, outcome] of yield* createAccounts(missing)) outcomes.set(address, outcome)
  // Of an account that lacked its group alone, the user may be otherwise than wanted as well.
  for (const change of changes) {
    if (change.action !== "update" || change.observed.user === undefined || change.observed.group !== undefined) {
      continue
    }
    if (outcomes.get(change.address)?.done !== true) continue
    outcomes.set(change.address, yield* outcomeOf(repairAccount(change.desired, change.observed)))
  }
  return outcomes
})

/** The conflicts that are left of those observed, now that accounts were removed. */
const conflictsNow = Effect.fn("accounts.conflictsNow")(function*(
  { desired, observed }: { readonly desired: DesiredAccount; readonly observed: ObservedAccount }
) {
  if (observed.conflicts.length === 0) return []
  const reader = yield* AccountReader
  return yield* Effect.match(reader.read, {
    onFailure: () => observed.conflicts,
    onSuccess: (tables) => conflictsOf(tables, desired, observed.owned)
  })
})

const createAccounts = Effect.fn("accounts.create")(function*(
  missing: ReadonlyArray<{ readonly address: ResourceAddress; readonly desired: DesiredAccount }>
) {
  if (missing.length === 0) return []
  const ledger = yield* LedgerWriter
  const writer = yield* AccountWriter
  const reader = yield* AccountReader
  const accounts = missing.map(({ desired }) => desired)
  return yield* Effect.gen(function*() {
    yield* ledger.own("accounts", accounts.map(({ relay }) => relay))
    const trouble = yield* Effect.match(writer.create(accounts), {
      onFailure: ({ message }) => message,
      onSuccess: () => undefined
    })
    // systemd-sysusers takes another number where the wanted one is taken meanwhile: only a look tells.
    const { groups, users } = yield* reader.read
    return missing.map(({ address, desired: { id, relay } }) => {
      const name = userOf(relay)
      const isThere = users.some((user) => user.name === name && user.uid === id && user.gid === id) &&
        groups.some((group) => group.name === name && group.gid === id)
      const why = trouble ?? `systemd-sysusers did not make ${name} with UID and GID ${id}`
      return [address, isThere ? done : failed(why)] as const
    })
  }).pipe(
    Effect.catch(({ message }) => Effect.succeed(missing.map(({ address }) => [address, failed(message)] as const)))
  )
})

/** Home and shell, of an account of Patela's own. There may be nothing to do where all that was wrong was a conflict. */
const repairAccount = Effect.fn("accounts.repair")(function*(
  desired: DesiredAccount,
  { owned, user }: ObservedAccount
) {
  const writer = yield* AccountWriter
  const repair: AccountRepair = {
    relay: desired.relay,
    ...(user?.home === desired.home ? {} : { home: desired.home }),
    ...(user?.shell === desired.shell ? {} : { shell: desired.shell })
  }
  if (owned && (repair.home !== undefined || repair.shell !== undefined)) yield* writer.repair(repair)
})

const removeAccount = Effect.fn("accounts.remove")(function*({ group, relay, user }: ObservedAccount) {
  const writer = yield* AccountWriter
  const ledger = yield* LedgerWriter
  yield* writer.remove(relay, { user: user !== undefined, group: group !== undefined })
  yield* ledger.disown("accounts", [relay])
})

const outcomeOf = <R>(effect: Effect.Effect<void, { readonly message: string }, R>): Effect.Effect<Outcome, never, R> =>
  Effect.match(effect, { onFailure: ({ message }) => failed(message), onSuccess: () => done })

const conflictMessage = ({ id, relay }: DesiredAccount, conflicts: ReadonlyArray<string>): string =>
  `the relay needs ${userOf(relay)} with UID and GID ${id}, but ${conflicts.join("; ")}. ` +
  `Patela changes no account that is in the way: remove it, or boot an image without it.`
