import { describe, it } from "@effect/vitest"
import { Effect, Layer, Schema } from "effect"
import { expect } from "vitest"
import { ABSENT, canonical, type ObservedTable, readTable, skeletonTexts } from "../src/source-nat/ObservedTable.ts"
import { type Element, isSetName } from "../src/source-nat/RelaySource.ts"
import { skeletonOf } from "../src/source-nat/Skeleton.ts"
import { SourceNat } from "../src/source-nat/SourceNat.ts"
import { SourceNatReader } from "../src/source-nat/SourceNatReader.ts"
import { type Edit, SourceNatWriter } from "../src/source-nat/SourceNatWriter.ts"
import { damaged } from "./DamagedText.ts"
import { inputOf, Slots } from "./NetworkInput.ts"
import { noMonitors } from "./NoMonitors.ts"

const Body = Schema.Record(Schema.String, Schema.Json)
const Command = Schema.Union([
  Schema.Struct({ flush: Schema.Record(Schema.String, Schema.Struct({ name: Schema.String })) }),
  Schema.Struct({ delete: Body }),
  Schema.Struct({
    add: Schema.Struct({ element: Schema.Struct({ name: Schema.String, elem: Schema.Array(Schema.Json) }) })
  }),
  Schema.Struct({ add: Body })
])

/** One transaction on a table in memory, or why it is refused: where an element has something that `refuses` names. */
const transact = (now: ObservedTable, edit: Edit, refuses: ReadonlyArray<string>): ObservedTable | string => {
  let objects: Array<typeof Body.Type> = []
  let rebuilt = false
  let elements: Array<Element> = [...now.elements]
  for (const command of edit(now).map((json) => Schema.decodeUnknownSync(Command)(json))) {
    if ("flush" in command) {
      const names = new Set(Object.values(command.flush).map(({ name }) => name))
      elements = elements.filter(({ set }) => !names.has(set))
    } else if ("delete" in command) {
      rebuilt = true
      objects = []
      elements = []
    } else if (
      "element" in command.add && Schema.is(Schema.Struct({ elem: Schema.Array(Schema.Json) }))(command.add["element"])
    ) {
      const { element } = Schema.decodeUnknownSync(Schema.Struct({
        element: Schema.Struct({ name: Schema.String, elem: Schema.Array(Schema.Json) })
      }))(command.add)
      for (const json of element.elem) {
        if (refuses.some((text) => canonical(json).includes(text))) return "Error: Could not process rule"
        if (isSetName(element.name)) elements.push({ set: element.name, json })
      }
    } else objects.push(Schema.decodeUnknownSync(Body)(command.add))
  }
  return { skeleton: rebuilt ? skeletonTexts(objects) : now.skeleton, elements }
}

const fakeHost = (before: ObservedTable, refuses: ReadonlyArray<string> = []) => {
  const host = { table: before, commits: 0 }
  const layer = Layer.mergeAll(
    noMonitors,
    Layer.succeed(
      SourceNatReader,
      SourceNatReader.of({ table: Effect.sync(() => host.table), text: Effect.die("not asked") })
    ),
    Layer.succeed(
      SourceNatWriter,
      SourceNatWriter.of({
        replace: () => Effect.die("not asked"),
        check: (edit) =>
          Effect.sync(() => {
            const next = transact(host.table, edit, refuses)
            return typeof next === "string" ? next : undefined
          }),
        commit: (edit) =>
          Effect.sync(() => {
            const next = transact(host.table, edit, refuses)
            if (typeof next === "string") return next
            host.commits += 1
            host.table = next
            return undefined
          })
      })
    )
  )
  return { host, layer }
}

const run = (slots: ReadonlyArray<number>) =>
  Effect.gen(function*() {
    const plan = yield* SourceNat.plan(inputOf(slots))
    return yield* plan.apply(() => true)
  })

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

describe("source-nat", () => {
  it.effect.prop("converges from any table, then writes nothing", [
    Slots,
    Slots,
    Schema.Array(Foreign),
    Schema.Literals(["absent", "as it should be", "another link", "empty"])
  ], ([before, slots, foreign, skeleton]) => {
    const { host, layer } = fakeHost(ABSENT)
    return Effect.gen(function*() {
      if (skeleton !== "absent") {
        yield* run(before)
        const texts = skeleton === "empty" ? new Set(["table \"patela\" {}"]) : skeletonTexts(skeletonOf("x0"))
        host.table = {
          skeleton: skeleton === "as it should be" ? host.table.skeleton : texts,
          elements: [...host.table.elements, ...foreign]
        }
      }
      const outcomes = yield* run(slots)
      expect([...outcomes.values()].every(({ done }) => done)).toBe(true)
      const again = yield* SourceNat.plan(inputOf(slots))
      expect(again.changes).toEqual([])
      const commits = host.commits
      yield* again.apply(() => true)
      expect(host.commits).toBe(commits)
      expect(host.table.skeleton).toEqual(skeletonTexts(skeletonOf("e0")))
    }).pipe(Effect.provide(layer))
  })

  it.effect.prop(
    "leaves out exactly the relays that the kernel refuses, in one commit",
    [Slots, Slots],
    ([slots, bad]) => {
      const { host, layer } = fakeHost(ABSENT, bad.map((slot) => `"198.51.100.${10 + slot}"`))
      return Effect.gen(function*() {
        const outcomes = yield* run(slots)
        expect(outcomes.get("node/source-nat")).toEqual({ done: true })
        for (const slot of slots) {
          expect(outcomes.get(`relay/cheese${slot}/source-nat`)?.done).toBe(!bad.includes(slot))
        }
        expect(host.commits).toBe(1)
        const left = (yield* SourceNat.plan(inputOf(slots))).changes.map(({ address }) => address)
        expect(left.toSorted()).toEqual(
          slots.filter((slot) => bad.includes(slot)).map((slot) => `relay/cheese${slot}/source-nat`).toSorted()
        )
      }).pipe(Effect.provide(layer))
    }
  )

  it.effect("keeps what was not admitted as it is", () => {
    const { layer } = fakeHost(ABSENT)
    return Effect.gen(function*() {
      yield* run([0, 1])
      const plan = yield* SourceNat.plan(inputOf([1, 3]))
      yield* plan.apply(({ address }) => address === "relay/cheese3/source-nat")
      const left = yield* SourceNat.plan(inputOf([1, 3]))
      expect(left.changes.map(({ action, address }) => `${action} ${address}`)).toEqual(["remove source-nat/slot/0"])
    }).pipe(Effect.provide(layer))
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
    }).pipe(Effect.provide(fakeHost(ABSENT).layer)))

  it.effect("refuses a slot or an address that another relay has", () =>
    Effect.gen(function*() {
      const input = inputOf([0, 1])
      const relays = input.config.relays.flatMap((relay) => [relay, relay])
      const plan = yield* SourceNat.plan({ ...input, config: { ...input.config, relays } })
      expect(plan.refused.map(({ refused }) => refused)).toEqual([
        "slot 0 is already that of relay cheese0",
        "slot 1 is already that of relay cheese1"
      ])
    }).pipe(Effect.provide(fakeHost(ABSENT).layer)))

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
