import { describe, it } from "@effect/vitest"
import { RelayName } from "@patela/domain/relay/RelayName"
import { Slot } from "@patela/domain/relay/Slot"
import { Effect, Schema } from "effect"
import { expect } from "vitest"
import { ABSENT, readTable, skeletonTexts } from "../src/source-nat/ObservedTable.ts"
import { skeletonOf } from "../src/source-nat/Skeleton.ts"
import { SourceNat } from "../src/source-nat/SourceNat.ts"
import { damaged } from "./DamagedText.ts"
import { CASES, kindLaws } from "./KindLaws.ts"
import { inputOf, relayOf, sharingOf, Slots } from "./NetworkInput.ts"
import { Body, kind, olderTableOf, sourcesOf, tableOf, worldOf } from "./SourceWorld.ts"

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
