import { done, failed, type Outcome } from "@patela/domain/reconciler/Outcome"
import type { ResourceAddress } from "@patela/domain/reconciler/Resource"
import { Effect } from "effect"
import { LedgerWriter } from "../ledger/LedgerWriter.ts"
import type { AddressOf, OwnedAddress } from "../ledger/Owned.ts"
import { type AddressStep, AddressWriter } from "./AddressWriter.ts"
import { type AddressChange, formerOwners, wrongPrefixes } from "./diffAddresses.ts"

/** The ledger gets all new addresses before any is on the link, and loses those that are gone once they are. */
export const applyAddresses = Effect.fn("Addresses.apply")(function*(changes: ReadonlyArray<AddressChange>) {
  const writer = yield* AddressWriter
  const ledger = yield* LedgerWriter
  const outcomes = new Map<ResourceAddress, Outcome>(changes.map(({ address }) => [address, done]))
  const isDone = ({ address }: AddressChange): boolean => outcomes.get(address)?.done === true
  const failAll = (of: ReadonlyArray<AddressChange>) => ({ message }: { readonly message: string }) =>
    Effect.sync(() => {
      for (const { address } of of) outcomes.set(address, failed(message))
    })

  const added = changes.filter((change) => addedBy(change).length > 0)
  if (added.length > 0) {
    const anew = added.filter(({ action }) => action === "create").flatMap(addedBy).map(({ address }) => address)
    yield* ledger.ownAddresses(added.flatMap(addedBy), anew).pipe(Effect.catch(failAll(added)))
  }
  const steps = inOrder(changes.filter(isDone))
  const reasons = steps.length === 0 ? [] : yield* writer.perform(steps.map(({ step }) => step))
  for (const [index, { addresses, step }] of steps.entries()) {
    const reason = reasons[index]
    if (reason === undefined) continue
    for (const address of addresses) outcomes.set(address, failed(`${nameOf(step)}: ${reason}`))
  }
  const removed = changes.filter((change) => isDone(change) && removedBy(change).length > 0)
  if (removed.length > 0) {
    yield* ledger.disownAddresses(removed.flatMap(removedBy)).pipe(Effect.catch(failAll(removed)))
  }
  return outcomes
})

const addedBy = (change: AddressChange): ReadonlyArray<OwnedAddress> => {
  if (change.action === "remove" || change.desired.is === "link") return []
  const { address, relay, slot } = change.desired
  return [{ address, relay, slot }]
}

const removedBy = (change: AddressChange): ReadonlyArray<AddressOf> => {
  if (change.action === "create" || change.observed.is === "link") return []
  const { address, leftBy } = change.observed
  const relays = change.action === "update" ? formerOwners(change.observed) : leftBy === undefined ? [] : [leftBy]
  return relays.map((relay) => ({ address, relay }))
}

/** A step, and the changes that it is for: several where relays have an address together. */
interface Step {
  readonly addresses: ReadonlyArray<ResourceAddress>
  readonly step: AddressStep
}

/** The link first, then what goes, then what comes: a prefix length is changed by taking the address away. */
const inOrder = (changes: ReadonlyArray<AddressChange>): ReadonlyArray<Step> => {
  const leaving = new Set(changes.flatMap((change) => change.action === "remove" ? removedBy(change).map(keyOf) : []))
  const all = changes.flatMap((change) => stepsOf(change, leaving).map((step) => ({ address: change.address, step })))
  const steps = [...Map.groupBy(all, ({ step }) => JSON.stringify(step)).values()].flatMap(
    (same): ReadonlyArray<Step> => {
      const [first] = same
      return first === undefined ? [] : [{ step: first.step, addresses: same.map(({ address }) => address) }]
    }
  )
  return (["up", "remove", "add"] as const).flatMap((kind) => steps.filter(({ step }) => step.step === kind))
}

const keyOf = ({ address, relay }: AddressOf): string => `${address} ${relay}`

/** `leaving` are the relays that leave an address now. One that another relay has, or has not left yet, stays. */
const stepsOf = (change: AddressChange, leaving: ReadonlySet<string>): ReadonlyArray<AddressStep> => {
  if (change.action === "remove") {
    const found = change.observed
    if (found.is === "link" || found.wantedBy.length > 0) return []
    const { address, link } = found
    if (found.owners.some((relay) => !leaving.has(keyOf({ address, relay })))) return []
    return found.prefixes.map(({ prefix }) => ({ step: "remove", link, address, prefix }))
  }
  const wanted = change.desired
  if (wanted.is === "link") return [{ step: "up", link: wanted.link }]
  const place = { link: wanted.link, address: wanted.address }
  const wrong = change.action === "update" && change.observed.is === "address"
    ? wrongPrefixes(wanted, change.observed)
    : []
  return [
    ...wrong.map((prefix): AddressStep => ({ step: "remove", ...place, prefix })),
    { step: "add", ...place, prefix: wanted.prefix }
  ]
}

const nameOf = (step: AddressStep): string =>
  step.step === "up" || step.step === "down"
    ? `link ${step.link} could not be set ${step.step}`
    : `${step.address}/${step.prefix} could not be ${step.step === "add" ? "added to" : "removed from"} ${step.link}`
