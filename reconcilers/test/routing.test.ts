import { describe, it } from "@effect/vitest"
import type { DesiredInput, Kind } from "@patela/domain/reconciler/Kind"
import { Effect, Layer, Schema } from "effect"
import { expect } from "vitest"
import { desiredRoutes } from "../src/routing/DesiredRoute.ts"
import { type RouteEntry, routeEntry, ruleEntry } from "../src/routing/RouteEntry.ts"
import { readEntries, RouteReader } from "../src/routing/RouteReader.ts"
import { type RouteStep, RouteWriter } from "../src/routing/RouteWriter.ts"
import { Routing } from "../src/routing/Routing.ts"
import { damaged } from "./DamagedText.ts"
import { CASES, FakeHost, kindLaws, type World } from "./KindLaws.ts"
import { inputOf } from "./NetworkInput.ts"
import { type Monitors, noMonitors } from "./NoMonitors.ts"

type Services = Monitors | RouteReader | RouteWriter

const kind: Kind<Services, Services> = Routing

const textOf = ({ family, line, what }: RouteEntry) => `${family} ${what} ${line}`

interface RoutingWorld extends World<Services> {
  readonly entries: () => ReadonlyArray<RouteEntry>
  /** After how many steps a rule led to a table that does not refuse. */
  readonly open: () => number
}

/** Table 8020 and its rules in memory; there is nothing else that a step could name. It `refuses` one line. */
const worldOf = (before: ReadonlyArray<RouteEntry>, refuses?: string) => (): RoutingWorld => {
  const host = new FakeHost()
  let entries = [...before]
  let open = 0
  const perform = Effect.fnUntraced(function*({ entry, step }: RouteStep) {
    if (textOf(entry) === refuses) return "RTNETLINK answers: Permission denied"
    yield* host.write(() => {
      entries = entries.filter((one) => textOf(one) !== textOf(entry))
      if (step === "add") entries.push(entry)
      const ruled = entries.some(({ family, what }) => family === entry.family && what === "rule")
      const refusing = entries.some(({ family, role }) => family === entry.family && role === "unreachable")
      if (ruled && !refusing) open += 1
    })
    return undefined
  })
  const layer = Layer.mergeAll(
    noMonitors,
    Layer.succeed(RouteReader, { entries: Effect.sync(() => entries), texts: Effect.die("not asked for") }),
    Layer.succeed(RouteWriter, { perform: (steps) => Effect.forEach(steps, perform) })
  )
  return { host, layer, entries: () => entries, open: () => open, foreign: () => [] }
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
  for (const { kills, runs, said } of CASES) {
    it.effect.prop(
      `the laws hold from any part of the table, ${said}`,
      [Before, Schema.Boolean],
      ([picked, v6]) => {
        const input = inputOf([0], v6 ? {} : { gateway_v6: null })
        const all = [...entriesOf(inputOf([0])), ...FOREIGN]
        const before = picked.flatMap((index) => all[index] ?? [])
        const wanted = entriesOf(input).map(textOf).toSorted()
        return kindLaws(kind, input, worldOf(before), ({ entries }) => {
          expect(entries().map(textOf).toSorted()).toEqual(wanted)
        }, kills)
      },
      runs
    )
  }

  it.effect("refuses before any rule leads to the table, wherever it is killed", () =>
    kindLaws(kind, inputOf([0]), worldOf([]), ({ entries, open }) => {
      expect(entries().length).toBe(10)
      expect(open()).toBe(0)
    }))

  it.effect("fails for a refused entry alone", () =>
    Effect.forEach(desiredRoutes(inputOf([0])), (resource) =>
      Effect.gen(function*() {
        const refuses = "value" in resource ? textOf(resource.value) : ""
        const failed = yield* kindLaws(kind, inputOf([0]), worldOf([], refuses), ({ entries }) => {
          expect(entries().map(textOf)).toHaveLength(9)
        })
        expect([...failed]).toEqual([resource.address])
      })))

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
    }).pipe(Effect.provide(worldOf(FOREIGN)().layer)))

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
