import type { Kind } from "@patela/domain/reconciler/Kind"
import { RelayName } from "@patela/domain/relay/RelayName"
import { markOf, Slot } from "@patela/domain/relay/Slot"
import { Effect, Layer, Schema } from "effect"
import type { LedgerReader } from "../src/ledger/LedgerReader.ts"
import type { OwnedAddress } from "../src/ledger/Owned.ts"
import { canonical, type ObservedTable, skeletonTexts } from "../src/source-nat/ObservedTable.ts"
import { type Element, elementsOf, isSetName, sourceOf } from "../src/source-nat/RelaySource.ts"
import { skeletonOf } from "../src/source-nat/Skeleton.ts"
import { SourceNat } from "../src/source-nat/SourceNat.ts"
import { SourceNatReader } from "../src/source-nat/SourceNatReader.ts"
import { type Edit, SourceNatWriter } from "../src/source-nat/SourceNatWriter.ts"
import { type Broken, FakeHost, type World } from "./KindLaws.ts"
import { inputOf, type RelayOf, relayOf } from "./NetworkInput.ts"
import { type Monitors, noMonitors } from "./NoMonitors.ts"

export type SourceServices = LedgerReader | Monitors | SourceNatReader | SourceNatWriter

/** The kind with all that it asks for. */
export const kind: Kind<SourceServices, SourceServices> = SourceNat

export const Body = Schema.Record(Schema.String, Schema.Json)
const decodeCommand = Schema.decodeUnknownSync(Schema.Union([
  Schema.Struct({ flush: Schema.Record(Schema.String, Schema.Struct({ name: Schema.String })) }),
  Schema.Struct({ delete: Body }),
  Schema.Struct({ add: Body })
]))
const isElements = Schema.is(
  Schema.Struct({ element: Schema.Struct({ name: Schema.String, elem: Schema.Array(Schema.Json) }) })
)

/** One transaction on a table in memory, or why it is refused: where an element has something that `refuses` names. */
const transact = (
  now: ObservedTable,
  commands: ReadonlyArray<Schema.Json>,
  refuses: ReadonlyArray<string>
): ObservedTable | string => {
  let objects: Array<typeof Body.Type> = []
  let rebuilt = false
  let elements: Array<Element> = [...now.elements]
  for (const command of commands.map((json) => decodeCommand(json))) {
    if ("flush" in command) {
      const names = new Set(Object.values(command.flush).map(({ name }) => name))
      elements = elements.filter(({ set }) => !names.has(set))
    } else if ("delete" in command) {
      rebuilt = true
      objects = []
      elements = []
    } else if (isElements(command.add)) {
      const { elem, name } = command.add.element
      for (const json of elem) {
        const text = JSON.stringify(json)
        if (refuses.some((refused) => text.includes(refused))) return "Error: Could not process rule"
        if (isSetName(name)) elements.push({ set: name, json })
      }
    } else objects.push(command.add)
  }
  return { skeleton: rebuilt ? skeletonTexts(objects) : now.skeleton, elements }
}

/** What is in the table, and what is asked of it. */
export interface Start {
  readonly before: ObservedTable
  readonly slots: ReadonlyArray<number>
  /** Slots of relays whose source the kernel refuses. */
  readonly refused: ReadonlyArray<number>
  readonly owned?: ReadonlyArray<OwnedAddress>
}

/** A ruleset in memory: the table, and what was asked of others. The kernel refuses the mark of a broken relay. */
export const worldOf = ({ before, owned = [], refused, slots }: Start) =>
(broken: Broken): World<SourceServices> & {
  readonly table: () => ObservedTable
} => {
  const host = new FakeHost({ addresses: owned })
  let table = before
  const elsewhere: Array<unknown> = []
  const unwelcome = [...refused, ...slots.filter((slot) => broken.has(RelayName.make(`cheese${slot}`)))]
  const refuses = unwelcome.map((slot) => String(markOf(Slot.make(slot))))
  const layer = Layer.mergeAll(
    noMonitors,
    host.ledger(),
    Layer.succeed(SourceNatReader, { table: Effect.sync(() => table), text: Effect.die("not asked for") }),
    Layer.succeed(SourceNatWriter, {
      replace: () => Effect.die("not asked for"),
      check: (edit) =>
        Effect.sync(() => {
          const next = transact(table, edit(table), refuses)
          return typeof next === "string" ? next : undefined
        }),
      commit: Effect.fnUntraced(function*(edit: Edit) {
        const commands = edit(table)
        const next = transact(table, commands, refuses)
        if (typeof next === "string") return next
        elsewhere.push(...commands.filter((command) => !isOfPatela(command)))
        yield* host.write(() => {
          table = next
        })
        return undefined
      })
    })
  )
  return { host, layer, table: () => table, foreign: () => elsewhere }
}

/** A command is of the table `inet patela`: all that stand outside of it are foreign. */
const isOfPatela = (command: Schema.Json): boolean => {
  const text = canonical(command)
  return text.includes(`"family":"inet"`) && (text.includes(`"table":"patela"`) || text.includes(`"name":"patela"`))
}

/** The table with the elements of these slots, as Patela would have it for a link. */
export const tableOf = (link: string, slots: ReadonlyArray<number>, relay: RelayOf = relayOf): ObservedTable => ({
  skeleton: skeletonTexts(skeletonOf(link)),
  elements: [
    ...new Map(
      inputOf(slots, {}, relay).config.relays.flatMap(({ ip_v4, ip_v6, slot }) =>
        elementsOf({ slot, v4: ip_v4, v6: ip_v6 })
      ).map((element) => [canonical([element.set, element.json]), element])
    ).values()
  ]
})

/** As agents wrote it that knew of one relay an address: a source has its relay's mark. */
export const olderTableOf = (link: string, slots: ReadonlyArray<number>): ObservedTable => {
  const marks = new Map<string | null, number>(
    inputOf(slots).config.relays.flatMap(({ ip_v4, ip_v6, slot }) => [[ip_v4, markOf(slot)], [ip_v6, markOf(slot)]])
  )
  const { elements, skeleton } = tableOf(link, slots)
  return {
    skeleton,
    elements: elements.map((element) => {
      const address = sourceOf(element)
      return address === undefined ? element : { ...element, json: [address, marks.get(address) ?? 0] }
    })
  }
}

/** The addresses that lead what nobody sent where the packets of relays go. */
export const sourcesOf = ({ elements }: ObservedTable): ReadonlyArray<string> =>
  elements.flatMap((element) => sourceOf(element) ?? []).toSorted()
