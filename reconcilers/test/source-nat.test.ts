import { describe, it } from "@effect/vitest"
import type { Kind } from "@patela/domain/reconciler/Kind"
import { RelayName } from "@patela/domain/relay/RelayName"
import { markOf, Slot } from "@patela/domain/relay/Slot"
import { Effect, Layer, Schema } from "effect"
import { expect } from "vitest"
import type { LedgerReader } from "../src/ledger/LedgerReader.ts"
import type { OwnedAddress } from "../src/ledger/Owned.ts"
import { ABSENT, canonical, type ObservedTable, readTable, skeletonTexts } from "../src/source-nat/ObservedTable.ts"
import { type Element, elementsOf, isSetName, sourceOf } from "../src/source-nat/RelaySource.ts"
import { skeletonOf } from "../src/source-nat/Skeleton.ts"
import { SourceNat } from "../src/source-nat/SourceNat.ts"
import { SourceNatReader } from "../src/source-nat/SourceNatReader.ts"
import { type Edit, SourceNatWriter } from "../src/source-nat/SourceNatWriter.ts"
import { damaged } from "./DamagedText.ts"
import { type Broken, CASES, FakeHost, kindLaws, type World } from "./KindLaws.ts"
import { inputOf, type RelayOf, relayOf, sharingOf, Slots } from "./NetworkInput.ts"
import { type Monitors, noMonitors } from "./NoMonitors.ts"

type Services = LedgerReader | Monitors | SourceNatReader | SourceNatWriter

const kind: Kind<Services, Services> = SourceNat

const Body = Schema.Record(Schema.String, Schema.Json)
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

interface Start {
  readonly before: ObservedTable
  readonly slots: ReadonlyArray<number>
  /** Slots of relays whose source the kernel refuses. */
  readonly refused: ReadonlyArray<number>
  readonly owned?: ReadonlyArray<OwnedAddress>
}

/** A ruleset in memory: the table, and what was asked of others. The kernel refuses the mark of a broken relay. */
const worldOf = ({ before, owned = [], refused, slots }: Start) =>
(broken: Broken): World<Services> & {
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
const tableOf = (link: string, slots: ReadonlyArray<number>, relay: RelayOf = relayOf): ObservedTable => ({
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
const olderTableOf = (link: string, slots: ReadonlyArray<number>): ObservedTable => {
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
const sourcesOf = ({ elements }: ObservedTable): ReadonlyArray<string> =>
  elements.flatMap((element) => sourceOf(element) ?? []).toSorted()

/** Elements that Patela would not write so. */
const Foreign = Schema.Struct({
  set: Schema.Literals(["uid_mark", "mark_v4", "own_v4"]),
  json: Schema.Union([
    Schema.Tuple([Schema.Literals([0, 50_001, 50_400]), Schema.Literals([1, 0x0802_0002])]),
    Schema.Tuple([Schema.Literals([1, 0x0802_0002]), Schema.Literal("198.51.100.99")]),
    Schema.Struct({ concat: Schema.Tuple([Schema.Literal(0x0802_0003), Schema.Literal("192.0.2.1")]) }),
    Schema.Struct({ elem: Schema.Struct({ val: Schema.Int }) })
  ])
})

const { layer: blank } = worldOf({ before: ABSENT, slots: [], refused: [] })(new Set())

describe("source-nat", () => {
  for (const { kills, runs, said } of CASES) {
    it.effect.prop(`the laws hold from any table, ${said}`, [
      Slots,
      Slots,
      Schema.Array(Foreign),
      Schema.Literals(["absent", "as it should be", "another link", "empty", "of an older agent"]),
      Schema.Boolean,
      Schema.Boolean
    ], ([slotsBefore, slots, foreign, skeleton, sharedBefore, shared]) => {
      const link = skeleton === "another link" ? "x0" : "e0"
      const { elements, ...found } = skeleton === "of an older agent"
        ? olderTableOf(link, slotsBefore)
        : tableOf(link, slotsBefore, sharedBefore ? sharingOf : relayOf)
      const relay = shared ? sharingOf : relayOf
      const texts = skeleton === "empty" ? new Set(["table \"patela\" {}"]) : found.skeleton
      const before = skeleton === "absent" ? ABSENT : { skeleton: texts, elements: [...elements, ...foreign] }
      const worlds = worldOf({ before, slots, refused: [] })
      return Effect.gen(function*() {
        const failed = yield* kindLaws(kind, inputOf(slots, {}, relay), worlds, ({ table }) => {
          expect(table().skeleton).toEqual(skeletonTexts(skeletonOf("e0")))
          const addresses = slots.map(relay).flatMap(({ ip_v4, ip_v6 }) => ip_v6 === null ? [ip_v4] : [ip_v4, ip_v6])
          expect(sourcesOf(table())).toEqual([...new Set(addresses)].toSorted())
        }, kills)
        expect([...failed]).toEqual([])
      })
    }, runs)
  }

  it.effect.prop(
    "leaves out exactly the relays that the kernel refuses, in one commit",
    [Slots, Slots],
    ([slots, refused]) =>
      Effect.gen(function*() {
        const start = { before: ABSENT, slots, refused }
        const failed = yield* kindLaws(kind, inputOf(slots), worldOf(start), ({ host }) => {
          expect(host.writes).toBe(1)
        })
        const wanted = slots.filter((slot) => refused.includes(slot)).map((slot) => `relay/cheese${slot}/source-nat`)
        expect([...failed].toSorted()).toEqual(wanted.toSorted())
      })
  )

  const shared = "198.51.100.10"

  it.effect("keeps what is of an address while a relay of it stays", () => {
    const world = worldOf({ before: tableOf("e0", [0, 1], sharingOf), slots: [], refused: [] })(new Set())
    return Effect.gen(function*() {
      const plan = yield* kind.plan(inputOf([1], {}, sharingOf))
      expect(plan.changes.map(({ action, address }) => `${action} ${address}`)).toEqual(["remove source-nat/slot/0"])
      expect(plan.changes[0]?.lines.filter((line) => line.includes("source_v4"))).toEqual([])
      yield* plan.apply(() => true)
      expect(sourcesOf(world.table())).toEqual([shared, "2001:db8:2::b"])
      expect((yield* kind.plan(inputOf([1], {}, sharingOf))).changes).toEqual([])
    }).pipe(Effect.provide(world.layer))
  })

  it.effect("keeps it until the last relay of an address may go", () => {
    const world = worldOf({ before: tableOf("e0", [0, 1], sharingOf), slots: [], refused: [] })(new Set())
    const leave = (slot: number) =>
      Effect.flatMap(
        kind.plan(inputOf([])),
        ({ apply }) => apply(({ address }) => address === `source-nat/slot/${slot}`)
      )
    return Effect.gen(function*() {
      yield* leave(1)
      expect(sourcesOf(world.table())).toContain(shared)
      yield* leave(0)
      expect(world.table().elements).toEqual([])
    }).pipe(Effect.provide(world.layer))
  })

  it.effect("gives a second relay an address that an older agent wrote for the first, whichever is admitted", () => {
    const world = worldOf({ before: olderTableOf("e0", [0]), slots: [], refused: [] })(new Set())
    return Effect.gen(function*() {
      const input = inputOf([0, 1], {}, sharingOf)
      const plan = yield* kind.plan(input)
      const outcomes = yield* plan.apply(({ address }) => address === "relay/cheese1/source-nat")
      expect([...outcomes.values()]).toEqual([{ done: true }])
      expect(sourcesOf(world.table())).toEqual([shared, "2001:db8:2::b"])
      yield* (yield* kind.plan(input)).apply(() => true)
      expect((yield* kind.plan(input)).changes).toEqual([])
    }).pipe(Effect.provide(world.layer))
  })

  it.effect("keeps what was not admitted as it is", () =>
    Effect.gen(function*() {
      const plan = yield* kind.plan(inputOf([1, 3]))
      yield* plan.apply(({ address }) => address === "relay/cheese3/source-nat")
      const left = yield* kind.plan(inputOf([1, 3]))
      expect(left.changes.map(({ action, address }) => `${action} ${address}`)).toEqual(["remove source-nat/slot/0"])
    }).pipe(Effect.provide(worldOf({ before: tableOf("e0", [0, 1]), slots: [], refused: [] })(new Set()).layer)))

  it.effect("names the relay that a slot was last of, where the ledger tells", () => {
    const owned = [
      { address: "198.51.100.11", relay: RelayName.make("toma"), slot: Slot.make(1) },
      { address: "198.51.100.12", relay: RelayName.make("cheese3"), slot: Slot.make(2) }
    ]
    return Effect.gen(function*() {
      const { changes } = yield* kind.plan(inputOf([3]))
      expect(changes.map(({ action, address, scope }) => [action, address, scope])).toEqual([
        ["create", "relay/cheese3/source-nat", "relay/cheese3"],
        ["remove", "source-nat/slot/0", "node"],
        ["remove", "relay/toma/source-nat", "relay/toma"],
        // The relay itself stays, in another slot.
        ["remove", "source-nat/slot/2", "relay/cheese3"]
      ])
    }).pipe(
      Effect.provide(worldOf({ before: tableOf("e0", [0, 1, 2]), slots: [], refused: [], owned })(new Set()).layer)
    )
  })

  it.effect("needs the addresses and the routes of each family that a relay has", () =>
    Effect.gen(function*() {
      const { changes } = yield* SourceNat.plan(inputOf([2, 0], { gateway_v6: null }))
      expect(changes.find(({ address }) => address === "relay/cheese2/source-nat")?.needs).toEqual([
        "node/source-nat",
        "relay/cheese2/address-v4",
        "node/routing/unreachable-v4",
        "node/routing/default-v4",
        "node/routing/rule-uid-v4",
        "node/routing/rule-mark-v4"
      ])
      expect(changes.find(({ address }) => address === "relay/cheese0/source-nat")?.needs).toContain(
        "relay/cheese0/address-v6"
      )
    }).pipe(Effect.provide(blank)))

  it.effect("refuses a slot or an address that another relay has", () =>
    Effect.gen(function*() {
      const input = inputOf([0, 1])
      const relays = input.config.relays.flatMap((relay) => [relay, relay])
      const plan = yield* SourceNat.plan({ ...input, config: { ...input.config, relays } })
      expect(plan.refused.map(({ refused }) => refused)).toEqual([
        "slot 0 is already that of relay cheese0",
        "slot 1 is already that of relay cheese1"
      ])
    }).pipe(Effect.provide(blank)))

  /** As nft 1.0.6 writes a table: handles everywhere, counters with what they have counted. */
  const WRITTEN = JSON.stringify({
    nftables: [
      { metainfo: { version: "1.0.6", json_schema_version: 1 } },
      ...skeletonOf("e0").map((object, index) =>
        Object.fromEntries(
          Object.entries(object).map(([kind, body]) => [
            kind,
            {
              handle: index,
              ...Schema.decodeUnknownSync(Body)(body),
              ...(kind === "map" && index === 1 ? { elem: [[50_000, 0x0802_0001]] } : {})
            }
          ])
        )
      )
    ]
  }).replace("\"counter\":null", "\"counter\":{\"packets\":7,\"bytes\":99}")

  it.effect("reads what nft writes", () =>
    Effect.gen(function*() {
      const table = yield* readTable(WRITTEN)
      expect(table.skeleton).toEqual(skeletonTexts(skeletonOf("e0")))
      expect(table.elements).toEqual([{ set: "uid_mark", json: [50_000, 0x0802_0001] }])
      const failure = yield* Effect.flip(readTable(WRITTEN.replace("\"chain\":\"output\"", "\"chain\":5")))
      expect(failure.message).toContain("chain")
    }))

  it.effect("survives any damage to what nft writes", () =>
    Effect.gen(function*() {
      let failures = 0
      for (let seed = 1; seed <= 3000; seed++) {
        const result = yield* Effect.result(readTable(damaged(WRITTEN, seed)))
        if (result._tag !== "Failure") continue
        failures += 1
        expect(result.failure._tag).toBe("ObservationFailed")
        expect(result.failure.message).toMatch(/at \[|JSON|Expected|Missing/)
      }
      expect(failures).toBeGreaterThan(500)
    }))
})
