import { describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { expect } from "vitest"
import { inputOf, sharingOf } from "./NetworkInput.ts"
import { kind, olderTableOf, sourcesOf, tableOf, worldOf } from "./SourceWorld.ts"

describe("source-nat of relays that share an address", () => {
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
})
