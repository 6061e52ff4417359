import { assert, describe, it } from "@effect/vitest"
import { kindsFor } from "@patela/agent/Kinds"
import { Effect } from "effect"
import { FAMILIES } from "../../../reconcilers/test/TestFamilies.ts"
import { configOf } from "./PresentCases.ts"
import { bareHost, FACTS, hostOf, readersOf } from "./PresentHost.ts"

const KINDS = kindsFor({ skipNet: false })

/** More relays than before: less memory for each. And a family, which they did not have. */
const INPUT = {
  config: { ...configOf({ count: 6 }), family: { ids: FAMILIES.slice(0, 1).map(({ id }) => id), members: [] } },
  facts: FACTS,
  configIsNew: true
}

describe("the order of the kinds", () => {
  it.effect("has every change after all that it needs, from nothing and when relays come to others", () =>
    Effect.gen(function*() {
      const owned = KINDS.flatMap((kind, place) =>
        kind.resources(INPUT).map(({ address }) => [address, place] as const)
      )
      const placeOf = new Map(owned)
      assert.strictEqual(placeOf.size, owned.length, "one kind owns a resource")
      const changed = new Set<string>()
      for (const host of [bareHost(), hostOf(configOf({ count: 2 }))]) {
        for (const [place, kind] of KINDS.entries()) {
          const { changes } = yield* Effect.provide(kind.plan(INPUT), readersOf(host))
          for (const { address, needs } of changes) {
            changed.add(kind.kind)
            for (const need of needs) assert.isAtMost(placeOf.get(need) ?? -1, place, `${address} needs ${need}`)
          }
        }
      }
      assert.isAbove(changed.size, KINDS.length - 3, [...changed].join())
      assert.isTrue(changed.has("memory-limits"))
    }))

  it("lowers a limit of memory after the units, whose tors are to keep less first", () => {
    const order = KINDS.map(({ kind }) => kind)
    assert.isBelow(order.indexOf("units"), order.indexOf("memory-limits"))
    assert.isBelow(order.indexOf("drop-ins"), order.indexOf("units"))
  })
})
