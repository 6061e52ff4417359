import { make } from "@patela/domain/reconciler/Kind"
import { lastResult } from "@patela/domain/reconciler/lastResult"
import { done, failed, type Outcome, outcomesOf } from "@patela/domain/reconciler/Outcome"
import type { Resource, ResourceAddress } from "@patela/domain/reconciler/Resource"
import type { Slot } from "@patela/domain/relay/Slot"
import { Effect, type Schema } from "effect"
import type { HostMonitor } from "../host/HostMonitor.ts"
import { LedgerReader } from "../ledger/LedgerReader.ts"
import { nothingOwned, type Owned, slotOwners } from "../ledger/Owned.ts"
import { checkpointTable } from "./checkpointTable.ts"
import { type DesiredSource, desiredSources } from "./DesiredSource.ts"
import { diffSources, type ObservedSource, observedSources, type SourceChange } from "./diffSources.ts"
import type { ObservedTable } from "./ObservedTable.ts"
import {
  type Element,
  elementsOf,
  keyOf,
  placeOf,
  type RelaySource,
  SET_NAMES,
  SETS,
  slotOf,
  sourceOf
} from "./RelaySource.ts"
import { FAMILY, skeletonOf, TABLE } from "./Skeleton.ts"
import { SourceNatReader } from "./SourceNatReader.ts"
import { type Edit, SourceNatWriter } from "./SourceNatWriter.ts"
import { watchSources } from "./watchSources.ts"

type Readers = HostMonitor | LedgerReader | SourceNatReader

const observed = lastResult((desired: ReadonlyArray<Resource<DesiredSource>>, table: ObservedTable, owned: Owned) =>
  observedSources(desired, table, slotOwners(owned))
)

/** The nft table `inet patela`: every packet of a relay leaves by the relay link with the relay's source, or not. */
export const SourceNat = make<DesiredSource, ObservedSource, Readers, SourceNatWriter>({
  kind: "source-nat",
  desired: desiredSources,
  observe: Effect.fn("SourceNat.observe")(function*(desired: ReadonlyArray<Resource<DesiredSource>>) {
    const table = yield* (yield* SourceNatReader).table
    // It only names what nobody wants any more.
    const owned = yield* Effect.orElseSucceed((yield* LedgerReader).read, () => nothingOwned)
    return observed(desired, table, owned)
  }),
  diff: diffSources,
  apply: Effect.fn("SourceNat.apply")(function*(changes: ReadonlyArray<SourceChange>) {
    const writer = yield* SourceNatWriter
    const batch = batchOf(changes)
    const refused = yield* writer.commit(editOf(batch, batch.relays))
    if (refused === undefined) return outcomesOf(changes, done)

    // The kernel takes all or nothing: find the relays that it refuses, and commit the others.
    const reason = yield* writer.check(editOf(batch, []))
    if (reason !== undefined) return outcomesOf(changes, failed(reason))
    const outcomes = new Map<ResourceAddress, Outcome>(outcomesOf(changes, done))
    const accepted = yield* acceptable(writer, batch, [], batch.relays, outcomes)
    // All that was to do is refused, and nothing of it stands in the table: it is as it should be without them.
    const nothingLeft = batch.link === undefined && accepted.length === 0
    if (nothingLeft && changes.every(({ action }) => action === "create")) return outcomes
    const late = yield* writer.commit(editOf(batch, accepted))
    return late === undefined ? outcomes : outcomesOf(changes, failed(late))
  }),
  watch: watchSources,
  checkpoint: checkpointTable
})

interface RelayPart {
  readonly address: ResourceAddress
  readonly source: RelaySource
}

interface Batch {
  /** The link to build the chains anew for, where they are not as they should be. */
  readonly link: string | undefined
  readonly relays: ReadonlyArray<RelayPart>
  /** Slots whose elements are not kept: those that change and those that go. */
  readonly slots: ReadonlySet<Slot>
}

const batchOf = (changes: ReadonlyArray<SourceChange>): Batch => {
  const relays: Array<RelayPart> = []
  const slots = new Set<Slot>()
  let link: string | undefined
  for (const change of changes) {
    if (change.action === "remove") {
      if (change.observed.is === "slot") slots.add(change.observed.slot)
    } else if (change.desired.is === "skeleton") link = change.desired.link
    else {
      relays.push({ address: change.address, source: change.desired.source })
      slots.add(change.desired.source.slot)
    }
  }
  return { link, relays, slots }
}

/** The table with the elements of all other slots as they are, and those of `relays` as wanted. */
const editOf = ({ link, slots }: Batch, relays: ReadonlyArray<RelayPart>): Edit => (now) => {
  const stays = (slot: Slot | undefined): boolean => slot !== undefined && !slots.has(slot)
  const places = now.elements.flatMap((element) => placeOf(element) ?? [])
  const sources = new Set(places.filter(({ slot }) => stays(slot)).map(({ address }) => address))
  const kept = now.elements.filter((element) => stays(slotOf(element)) || sources.has(sourceOf(element) ?? ""))
  // What relays have together stands here once, and as it is wanted now.
  const elements = new Map(
    [...kept, ...relays.flatMap(({ source }) => elementsOf(source))].map((element) => [keyOf(element), element])
  )
  const base: ReadonlyArray<Schema.Json> = link === undefined
    ? SET_NAMES.map((name) => ({ flush: { [SETS[name].object]: { family: FAMILY, table: TABLE, name } } }))
    : [
      // Added first, so that deleting it never fails.
      { add: { table: { family: FAMILY, name: TABLE } } },
      { delete: { table: { family: FAMILY, name: TABLE } } },
      ...skeletonOf(link).map((object) => ({ add: object }))
    ]
  return [...base, ...additions([...elements.values()])]
}

const additions = (elements: ReadonlyArray<Element>): ReadonlyArray<Schema.Json> =>
  [...Map.groupBy(elements, ({ set }) => set)].map(([name, members]) => ({
    add: { element: { family: FAMILY, table: TABLE, name, elem: members.map(({ json }) => json) } }
  }))

/** Halves the relays until each one that the kernel refuses stands alone; its outcome says why. */
const acceptable: (
  writer: SourceNatWriter["Service"],
  batch: Batch,
  accepted: ReadonlyArray<RelayPart>,
  candidates: ReadonlyArray<RelayPart>,
  outcomes: Map<ResourceAddress, Outcome>
) => Effect.Effect<ReadonlyArray<RelayPart>> = Effect.fnUntraced(
  function*(writer, batch, accepted, candidates, outcomes) {
    const [first] = candidates
    if (first === undefined) return accepted
    const reason = yield* writer.check(editOf(batch, [...accepted, ...candidates]))
    if (reason === undefined) return [...accepted, ...candidates]
    if (candidates.length === 1) {
      outcomes.set(first.address, failed(`the kernel refuses the source of this relay: ${reason}`))
      return accepted
    }
    const half = Math.ceil(candidates.length / 2)
    const more = yield* acceptable(writer, batch, accepted, candidates.slice(0, half), outcomes)
    return yield* acceptable(writer, batch, more, candidates.slice(half), outcomes)
  }
)
