import { type Change, differences } from "@patela/domain/reconciler/Change"
import type { Resource, ResourceAddress } from "@patela/domain/reconciler/Resource"
import type { Slot } from "@patela/domain/relay/Slot"
import { type DesiredSource, SKELETON } from "./DesiredSource.ts"
import { canonical, type ObservedTable, skeletonTexts } from "./ObservedTable.ts"
import { type Element, elementsOf, slotOf } from "./RelaySource.ts"
import { skeletonOf } from "./Skeleton.ts"

/**
 * The part of the table that is not a relay's, with every element that is nothing that Patela writes; or the elements
 * of one slot. All as normalised texts.
 */
export type ObservedSource =
  | { readonly is: "skeleton"; readonly texts: ReadonlySet<string> }
  | { readonly is: "slot"; readonly slot: Slot; readonly texts: ReadonlySet<string> }

export type SourceChange = Change<DesiredSource, ObservedSource>

/** The table by resource address; a slot that no resource is for is `source-nat/slot/N`. */
export const observedSources = (
  desired: ReadonlyArray<Resource<DesiredSource>>,
  table: ObservedTable
): ReadonlyMap<ResourceAddress, ObservedSource> => {
  const observed = new Map<ResourceAddress, ObservedSource>()
  if (table.skeleton.size === 0) return observed
  const resources = new Map<Slot, ResourceAddress>()
  for (const { address, value } of desired) if (value.is === "relay") resources.set(value.source.slot, address)
  const slots = Map.groupBy(table.elements, slotOf)
  const foreign = (slots.get(undefined) ?? []).map(textOf)
  observed.set(SKELETON, { is: "skeleton", texts: new Set([...table.skeleton, ...foreign]) })
  for (const [slot, elements] of slots) {
    if (slot === undefined) continue
    const address = resources.get(slot) ?? `source-nat/slot/${slot}`
    observed.set(address, { is: "slot", slot, texts: new Set(elements.map(textOf)) })
  }
  return observed
}

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
        ? { scope: "node", lines: [...found.texts].map((text) => `- ${text}`) }
        : undefined
  })

const textsOf = (wanted: DesiredSource): ReadonlySet<string> =>
  wanted.is === "skeleton"
    ? skeletonTexts(skeletonOf(wanted.link))
    : new Set(elementsOf(wanted.source).map(textOf))

const textOf = ({ json, set }: Element): string => `element ${set} ${canonical(json)}`
