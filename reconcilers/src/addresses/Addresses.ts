import { make } from "@patela/domain/reconciler/Kind"
import { done, failed, type Outcome } from "@patela/domain/reconciler/Outcome"
import type { ResourceAddress } from "@patela/domain/reconciler/Resource"
import { Effect } from "effect"
import type { HostMonitor } from "../host/HostMonitor.ts"
import { AddressReader } from "./AddressReader.ts"
import { type AddressStep, AddressWriter } from "./AddressWriter.ts"
import { checkpointAddresses } from "./checkpointAddresses.ts"
import { type DesiredAddress, desiredAddresses } from "./DesiredAddress.ts"
import {
  type AddressChange,
  diffAddresses,
  type ObservedAddress,
  observedAddresses,
  wrongPrefixes
} from "./diffAddresses.ts"
import { watchAddresses } from "./watchAddresses.ts"

/** The relay link, up, and each relay's addresses on it. */
export const Addresses = make<DesiredAddress, ObservedAddress, AddressReader | HostMonitor, AddressWriter>({
  kind: "addresses",
  desired: desiredAddresses,
  observe: (desired) =>
    AddressReader.use((reader) => reader.links).pipe(Effect.map((links) => observedAddresses(desired, links))),
  diff: diffAddresses,
  apply: Effect.fn("Addresses.apply")(function*(changes: ReadonlyArray<AddressChange>) {
    const writer = yield* AddressWriter
    const steps = inOrder(changes)
    const reasons = yield* writer.perform(steps.map(({ step }) => step))
    const outcomes = new Map<ResourceAddress, Outcome>(changes.map(({ address }) => [address, done]))
    for (const [index, { address, step }] of steps.entries()) {
      const reason = reasons[index]
      if (reason !== undefined) outcomes.set(address, failed(`${nameOf(step)}: ${reason}`))
    }
    return outcomes
  }),
  watch: watchAddresses,
  checkpoint: checkpointAddresses
})

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
