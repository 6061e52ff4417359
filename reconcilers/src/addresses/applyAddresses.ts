import { done, failed, type Outcome } from "@patela/domain/reconciler/Outcome"
import type { ResourceAddress } from "@patela/domain/reconciler/Resource"
import { Effect } from "effect"
import { LedgerWriter } from "../ledger/LedgerWriter.ts"
import type { OwnedAddress } from "../ledger/Owned.ts"
import { type AddressStep, AddressWriter } from "./AddressWriter.ts"
import { type AddressChange, wrongPrefixes } from "./diffAddresses.ts"

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
    yield* ledger.ownAddresses(added.flatMap(addedBy)).pipe(Effect.catch(failAll(added)))
  }
  const steps = inOrder(changes.filter(isDone))
  const reasons = steps.length === 0 ? [] : yield* writer.perform(steps.map(({ step }) => step))
  for (const [index, { address, step }] of steps.entries()) {
    const reason = reasons[index]
    if (reason !== undefined) outcomes.set(address, failed(`${nameOf(step)}: ${reason}`))
  }
  // One that stays in one of its prefix lengths is not gone.
  const left = new Set(changes.filter((change) => !isDone(change)).flatMap(removedBy))
  const removed = changes.filter((change) => removedBy(change).some((address) => !left.has(address)))
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

const removedBy = (change: AddressChange): ReadonlyArray<string> =>
  change.action === "remove" && change.observed.is === "address" ? [change.observed.address] : []

interface Step {
  readonly address: ResourceAddress
  readonly step: AddressStep
}

/** The link first, then what goes, then what comes: a prefix length is changed by taking the address away. */
const inOrder = (changes: ReadonlyArray<AddressChange>): ReadonlyArray<Step> => {
  const all = changes.flatMap(stepsOf)
  return (["up", "remove", "add"] as const).flatMap((kind) => all.filter(({ step }) => step.step === kind))
}

const stepsOf = (change: AddressChange): ReadonlyArray<Step> => {
  const { address } = change
  if (change.action === "remove") {
    const found = change.observed
    if (found.is === "link") return []
    return found.prefixes.map(({ prefix }) => ({
      address,
      step: { step: "remove", link: found.link, address: found.address, prefix }
    }))
  }
  const wanted = change.desired
  if (wanted.is === "link") return [{ address, step: { step: "up", link: wanted.link } }]
  const place = { link: wanted.link, address: wanted.address }
  const wrong = change.action === "update" && change.observed.is === "address"
    ? wrongPrefixes(wanted, change.observed)
    : []
  return [
    ...wrong.map((prefix): Step => ({ address, step: { step: "remove", ...place, prefix } })),
    { address, step: { step: "add", ...place, prefix: wanted.prefix } }
  ]
}

const nameOf = (step: AddressStep): string =>
  step.step === "up" || step.step === "down"
    ? `link ${step.link} could not be set ${step.step}`
    : `${step.address}/${step.prefix} could not be ${step.step === "add" ? "added to" : "removed from"} ${step.link}`
