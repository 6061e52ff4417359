import { describe, it } from "@effect/vitest"
import type { DesiredInput } from "@patela/domain/reconciler/Kind"
import { Effect, Layer, Schema } from "effect"
import { expect } from "vitest"
import { desiredRoutes } from "../src/routing/DesiredRoute.ts"
import { type RouteEntry, routeEntry, ruleEntry } from "../src/routing/RouteEntry.ts"
import { readEntries, RouteReader } from "../src/routing/RouteReader.ts"
import { RouteWriter } from "../src/routing/RouteWriter.ts"
import { Routing } from "../src/routing/Routing.ts"
import { damaged } from "./DamagedText.ts"
import { inputOf } from "./NetworkInput.ts"
import { noMonitors } from "./NoMonitors.ts"

const textOf = ({ family, line, what }: RouteEntry) => `${family} ${what} ${line}`

/** Table 8020 and its rules in memory. `alwaysRefuses`: the table had its refusing route at every step. */
const fakeHost = (before: ReadonlyArray<RouteEntry>) => {
  const host = { entries: [...before], steps: 0, open: 0 }
  const layer = Layer.mergeAll(
    noMonitors,
    Layer.succeed(
      RouteReader,
      RouteReader.of({ entries: Effect.sync(() => host.entries), texts: Effect.die("not asked") })
    ),
    Layer.succeed(
      RouteWriter,
      RouteWriter.of({
        perform: (steps) =>
          Effect.sync(() =>
            steps.map(({ entry, step }) => {
              host.steps += 1
              host.entries = host.entries.filter((one) => textOf(one) !== textOf(entry))
              if (step === "add") host.entries.push(entry)
              const ruled = host.entries.some(({ family, what }) => family === entry.family && what === "rule")
              const refusing = host.entries.some(({ family, role }) =>
                family === entry.family && role === "unreachable"
              )
              if (ruled && !refusing) host.open += 1
              return undefined
            })
          )
      })
    )
  )
  return { host, layer }
}

const entriesOf = (input: DesiredInput) =>
  desiredRoutes(input).flatMap((resource) => "value" in resource ? [resource.value] : [])

const FOREIGN: ReadonlyArray<RouteEntry> = [
  routeEntry("v4", { type: "unicast", dst: "default", gateway: "198.51.100.2", dev: "e0", metric: 0 }),
  routeEntry("v4", { type: "blackhole", dst: "192.0.2.0/24", metric: 0 }),
  routeEntry("v6", { type: "unicast", dst: "2001:db8:9::/64", dev: "e0", metric: 1024 }),
  routeEntry("v6", { type: "unreachable", dst: "default", metric: 7 }),
  ruleEntry("v4", { preference: 8020, uids: { first: 1, last: 2 } }),
  ruleEntry("v4", { preference: 100, from: "192.0.2.0/24", not: true }),
  ruleEntry("v6", { preference: 8021, mark: { value: 1, mask: 0xff } })
]

/** Which of the wanted and of some foreign entries stand on the host before. */
const Before = Schema.UniqueArray(Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 16 }))))

describe("routing", () => {
  it.effect.prop(
    "converges from any part of the table, then writes nothing",
    [Before, Schema.Boolean],
    ([picked, v6]) => {
      const input = inputOf([0], v6 ? {} : { gateway_v6: null })
      const all = [...entriesOf(inputOf([0])), ...FOREIGN]
      const { host, layer } = fakeHost(picked.flatMap((index) => all[index] ?? []))
      return Effect.gen(function*() {
        const plan = yield* Routing.plan(input)
        const outcomes = yield* plan.apply(() => true)
        expect([...outcomes.keys()].toSorted()).toEqual(plan.changes.map(({ address }) => address).toSorted())
        const again = yield* Routing.plan(input)
        expect(again.changes).toEqual([])
        const steps = host.steps
        yield* again.apply(() => true)
        expect(host.steps).toBe(steps)
        expect(host.entries.map(textOf).toSorted()).toEqual(entriesOf(input).map(textOf).toSorted())
      }).pipe(Effect.provide(layer))
    }
  )

  it.effect("refuses before any rule leads to the table", () => {
    const { host, layer } = fakeHost([])
    return Effect.gen(function*() {
      yield* (yield* Routing.plan(inputOf([0]))).apply(() => true)
      expect(host.entries.length).toBe(10)
      expect(host.open).toBe(0)
    }).pipe(Effect.provide(layer))
  })

  it("wants what the kernel needs, and IPv6 only where the network has it", () => {
    const lines = (network: object) => entriesOf(inputOf([0], network)).map(textOf)
    expect(lines({ prefix_v6: null })).toEqual([
      "v4 route unreachable default metric 4294967295 table 8020",
      "v4 route 198.51.100.0/24 dev e0 metric 0 table 8020",
      "v4 route default via 198.51.100.1 dev e0 metric 0 table 8020",
      "v4 rule pref 8020 from all uidrange 50000-50511 lookup 8020",
      "v4 rule pref 8021 from all fwmark 0x8020000/0xffff0000 lookup 8020"
    ])
    expect(lines({}).slice(5, 8)).toEqual([
      "v6 route unreachable default metric 4294967295 table 8020",
      "v6 route 2001:db8:2::/64 dev e0 metric 1024 table 8020",
      "v6 route default via 2001:db8:2::1 dev e0 metric 1024 table 8020"
    ])
    expect(lines({ prefix_v4: 32, prefix_v6: 128 })).toContain("v4 route 198.51.100.1 dev e0 metric 0 table 8020")
    expect(lines({ prefix_v4: 1 })).toContain("v4 route 128.0.0.0/1 dev e0 metric 0 table 8020")
    expect(lines({ prefix_v6: 61 })).toContain("v6 route 2001:db8:2::/61 dev e0 metric 1024 table 8020")
  })

  it.effect("refuses everything without a relay interface", () =>
    Effect.gen(function*() {
      const input = inputOf([0])
      const blind: DesiredInput = {
        ...input,
        facts: { ...input.facts, relayInterface: { found: false, why: "no link is free" } }
      }
      const plan = yield* Routing.plan(blind)
      expect(plan.changes).toEqual([])
      expect(plan.refused.length).toBe(10)
    }).pipe(Effect.provide(fakeHost(FOREIGN).layer)))

  /** As iproute2 6.1 wrote it with `-N`. */
  const WRITTEN = [
    JSON.stringify([
      { priority: 0, src: "all", table: "255" },
      { priority: 8020, src: "all", uid_start: 50000, uid_end: 50511, table: "8020" },
      { priority: 8021, src: "all", fwmark: "0x8020000", fwmask: "0xffff0000", table: "8020" },
      { not: null, priority: 9000, src: "192.0.2.0", srclen: 24, iif: "lo", table: "8020" },
      { priority: 32766, src: "all", table: "254" }
    ]),
    JSON.stringify([
      { dst: "default", gateway: "198.51.100.1", dev: "e0", flags: ["onlink"] },
      { type: "7", dst: "default", metric: 4294967295, flags: [] },
      { dst: "198.51.100.0/24", dev: "e0", scope: "253", flags: [] }
    ])
  ].join("\n")

  it.effect("reads what ip writes", () =>
    Effect.gen(function*() {
      expect((yield* readEntries("v4", WRITTEN)).map(textOf)).toEqual([
        "v4 rule pref 8020 from all uidrange 50000-50511 lookup 8020",
        "v4 rule pref 8021 from all fwmark 0x8020000/0xffff0000 lookup 8020",
        "v4 rule not pref 9000 from 192.0.2.0/24 iif lo lookup 8020",
        "v4 route default via 198.51.100.1 dev e0 metric 0 table 8020",
        "v4 route unreachable default metric 4294967295 table 8020",
        "v4 route 198.51.100.0/24 dev e0 metric 0 table 8020"
      ])
      const failure = yield* Effect.flip(readEntries("v4", WRITTEN.replace("50511", "\"many\"")))
      expect(failure.message).toContain("uid_end")
    }))

  it.effect("survives any damage to what ip writes", () =>
    Effect.gen(function*() {
      let failures = 0
      for (let seed = 1; seed <= 3000; seed++) {
        const result = yield* Effect.result(readEntries("v4", damaged(WRITTEN, seed)))
        if (result._tag !== "Failure") continue
        failures += 1
        expect(result.failure._tag).toBe("ObservationFailed")
        expect(result.failure.message).toMatch(/at \[|JSON|Expected|Missing|documents/)
      }
      expect(failures).toBeGreaterThan(500)
    }))
})
