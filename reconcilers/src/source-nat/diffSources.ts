import { type Change, differences } from "@patela/domain/reconciler/Change"
import { relayScope, type Resource, type ResourceAddress } from "@patela/domain/reconciler/Resource"
import type { RelayName } from "@patela/domain/relay/RelayName"
import type { Slot } from "@patela/domain/relay/Slot"
import { addressOf, type DesiredSource, SKELETON } from "./DesiredSource.ts"
import { canonical, type ObservedTable, skeletonTexts } from "./ObservedTable.ts"
import { type Element, elementsOf, placeOf, slotOf, sourceOf } from "./RelaySource.ts"
import { skeletonOf } from "./Skeleton.ts"

/**
 * The part of the table that is not a relay's, with every element that is nothing that Patela writes; or the elements
 * of one slot. All as normalised texts.
 */
export type ObservedSource =
  | { readonly is: "skeleton"; readonly texts: ReadonlySet<string> }
  | {
    readonly is: "slot"
    readonly slot: Slot
    readonly texts: ReadonlySet<string>
    /** The relay that had the slot last, as the ledger says. */
    readonly owner: RelayName | undefined
  }

export type SourceChange = Change<DesiredSource, ObservedSource>

/**
 * The table by resource address. A slot that no resource is for has that of the relay that had it last, where that has no
 * other slot, and else `source-nat/slot/N`.
 */
export const observedSources = (
  desired: ReadonlyArray<Resource<DesiredSource>>,
  table: ObservedTable,
  owners: ReadonlyMap<Slot, RelayName>
): ReadonlyMap<ResourceAddress, ObservedSource> => {
  const observed = new Map<ResourceAddress, ObservedSource>()
  if (table.skeleton.size === 0) return observed
  const resources = new Map<Slot, ResourceAddress>()
  const asked = new Set<ResourceAddress>()
  for (const { address, value } of desired) {
    asked.add(address)
    if (value.is === "relay") resources.set(value.source.slot, address)
  }
  const leftBy = (owner: RelayName | undefined): ResourceAddress | undefined => {
    const address = owner === undefined ? undefined : addressOf(owner)
    return address === undefined || asked.has(address) || observed.has(address) ? undefined : address
  }
  const { foreign, slots } = bySlot(desired, table)
  observed.set(SKELETON, { is: "skeleton", texts: new Set([...table.skeleton, ...foreign.map(textOf)]) })
  for (const [slot, elements] of slots) {
    const owner = owners.get(slot)
    const address = resources.get(slot) ?? leftBy(owner) ?? `source-nat/slot/${slot}`
    observed.set(address, { is: "slot", slot, texts: new Set(elements.map(textOf)), owner })
  }
  return observed
}

/**
 * The elements of each slot, and those of none. What is of an address is of the slots that are to have it, and where there
 * are none, of those that have it: so it goes with the last relay of the address and not before.
 */
const bySlot = (desired: ReadonlyArray<Resource<DesiredSource>>, { elements }: ObservedTable) => {
  const wanted = desired.flatMap(({ value }) =>
    value.is === "relay"
      ? [value.source.v4, value.source.v6].map((address) => ({
        slot: value.source.slot,
        address: address ?? undefined
      }))
      : []
  )
  const wanting = Map.groupBy(wanted, ({ address }) => address)
  const having = Map.groupBy(elements.flatMap((element) => placeOf(element) ?? []), ({ address }) => address)
  const slots = new Map<Slot, Array<Element>>()
  const foreign: Array<Element> = []
  for (const element of elements) {
    const slot = slotOf(element)
    const address = sourceOf(element)
    const of = address === undefined ? slot === undefined ? [] : [slot] : slotsAt(address, wanting, having)
    if (of.length === 0) foreign.push(element)
    for (const each of of) {
      const own = slots.get(each)
      if (own === undefined) slots.set(each, [element])
      else own.push(element)
    }
  }
  return { foreign, slots }
}

type Places = ReadonlyMap<string | undefined, ReadonlyArray<{ readonly slot: Slot }>>

const slotsAt = (address: string, wanting: Places, having: Places): ReadonlyArray<Slot> => [
  ...new Set((wanting.get(address) ?? having.get(address) ?? []).map(({ slot }) => slot))
]

/** The whole table is Patela's, so whatever stands in it and is not wanted goes. */
export const diffSources = (
  desired: ReadonlyArray<Resource<DesiredSource>>,
  observed: ReadonlyMap<ResourceAddress, ObservedSource>
): ReadonlyArray<SourceChange> =>
  desired.length === 0 ? [] : differences<DesiredSource, ObservedSource>({
    desired,
    observed,
    compare: (wanted, { texts }) => {
      const want = textsOf(wanted)
      return [
        ...[...texts].filter((text) => !want.has(text)).map((text) => `- ${text}`),
        ...[...want].filter((text) => !texts.has(text)).map((text) => `+ ${text}`)
      ]
    },
    created: (wanted) => [...textsOf(wanted)].map((text) => `+ ${text}`),
    removed: (found) =>
      found.is === "slot"
        ? {
          scope: found.owner === undefined ? "node" : relayScope(found.owner),
          lines: [...found.texts].map((text) => `- ${text}`)
        }
        : undefined
  })

const textsOf = (wanted: DesiredSource): ReadonlySet<string> =>
  wanted.is === "skeleton"
    ? skeletonTexts(skeletonOf(wanted.link))
    : new Set(elementsOf(wanted.source).map(textOf))

const textOf = ({ json, set }: Element): string => `element ${set} ${canonical(json)}`
