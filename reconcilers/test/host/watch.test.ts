import { describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { readFileSync } from "node:fs"
import { expect } from "vitest"
import { Addresses } from "../../src/addresses/Addresses.ts"
import { Routing } from "../../src/routing/Routing.ts"
import { SourceNat } from "../../src/source-nat/SourceNat.ts"
import { SOON, until } from "../until.ts"
import { listening, type NetworkKind, onHost as onHostOf, theOne, untilQuiet } from "./Listening.ts"
import { FAR_V4, inputOf, KINDS, reconcile } from "./RelayNetwork.ts"
import { testNetwork } from "./TestNetwork.ts"

describe("watching the kernel", () => {
  const network = testNetwork()

  const onHost = onHostOf(() => network().near)

  const A = (text: string): ReadonlyArray<string> => text.split(" ")
  const CHANGES: ReadonlyArray<readonly [kind: NetworkKind, name: string, argv: ReadonlyArray<string>]> = [
    [Addresses, "an address goes", A("ip address del 198.51.100.11/24 dev e0")],
    [Addresses, "an IPv6 address goes", A("ip address del 2001:db8:2::b/64 dev e0")],
    [Addresses, "an address comes", A("ip address add 198.51.100.50/24 dev e0 noprefixroute")],
    [Addresses, "an IPv6 address comes", A("ip address add 2001:db8:2::50/64 dev e0")],
    [Addresses, "an address comes in another length", A("ip address add 198.51.100.11/25 dev e0 noprefixroute")],
    [Addresses, "the link goes down", A("ip link set e0 down")],
    [Addresses, "the link is renamed", ["bash", "-c", "ip link set e0 name e9; ip link set e9 name e0"]],
    [Routing, "a route goes", A("ip route del default via 198.51.100.1 dev e0 table 8020")],
    [Routing, "an IPv6 route goes", A("ip -6 route del default via 2001:db8:2::1 dev e0 table 8020")],
    [Routing, "a subnet route goes", A("ip -6 route del 2001:db8:2::/64 dev e0 table 8020")],
    [Routing, "the refusing route goes", A("ip route del unreachable default metric 4294967295 table 8020")],
    [Routing, "a route comes", A("ip route add blackhole 192.0.2.128/25 table 8020")],
    [
      Routing,
      "a multipath route comes",
      "ip route add 192.0.2.128/25 table 8020 nexthop via 192.0.2.1 dev m0 nexthop via 192.0.2.2 dev m0".split(" ")
    ],
    [Routing, "the gateway is another", A("ip route replace default via 198.51.100.2 dev e0 onlink table 8020")],
    [Routing, "the table is flushed", A("ip route flush table 8020")],
    [Routing, "a rule goes", A("ip rule del pref 8021")],
    [Routing, "an IPv6 rule goes", A("ip -6 rule del pref 8020")],
    [Routing, "a rule comes", A("ip rule add pref 7000 from 192.0.2.99 lookup 8020")],
    [Routing, "a named rule comes", [
      "ip",
      "rule",
      "add",
      "pref",
      "7000",
      "from",
      "all",
      "iif",
      "e0",
      "lookup",
      "8020"
    ]],
    [Routing, "the kernel flushes IPv4 routes as the link goes down", A("ip link set e0 down")],
    [SourceNat, "the table goes", A("nft delete table inet patela")],
    [SourceNat, "the ruleset is flushed", A("nft flush ruleset")],
    [SourceNat, "a chain is flushed", A("nft flush chain inet patela output")],
    [SourceNat, "a rule comes", ["nft", "add rule inet patela output counter"]],
    [SourceNat, "a chain comes", ["nft", "add chain inet patela mine"]],
    [SourceNat, "a policy changes", ["nft", "chain inet patela guard { policy drop; }"]],
    [SourceNat, "a map is flushed", A("nft flush map inet patela mark_v4")],
    [SourceNat, "an element goes", ["nft", "delete element inet patela own_v4 { 0x08020001 . 198.51.100.10 }"]],
    [SourceNat, "an element comes", ["nft", "add element inet patela uid_mark { 50007 : 0x08020008 }"]],
    [SourceNat, "the table sleeps", ["nft", "add table inet patela { flags dormant; }"]],
    [SourceNat, "a counter comes", ["nft", "add counter inet patela odd"]]
  ]

  const named = CHANGES.map(([kind, name, argv]) => [`${kind.kind}: ${name}`, kind, argv] as const)
  it.live.each(named)("%s", ([, kind, argv]) =>
    onHost(
      Effect.gen(function*() {
        yield* reconcile(inputOf(2))
        const { heard } = yield* listening(kind)
        network().run(...argv)
        const told = yield* until(() => heard.length > 0, SOON)
        expect([told, [...new Set(heard)]]).toEqual([true, ["look again"]])
      }).pipe(
        Effect.scoped,
        Effect.ensuring(Effect.sync(() => {
          network().run("ip", "link", "set", "e0", "up")
          network().run(
            "nft",
            "add table inet foreign; add chain inet foreign c { type filter hook input priority 0; }; "
              + "flush chain inet foreign c; add rule inet foreign c counter"
          )
        }))
      )
    ))

  it.live("hears of IPv4 routes that the kernel took away silently with the last address", () =>
    onHost(
      Effect.gen(function*() {
        yield* reconcile(inputOf(1))
        network().run("ip", "address", "del", "203.0.113.200/32", "dev", "e0")
        const { heard } = yield* listening(Routing)
        network().run("ip", "address", "del", "198.51.100.10/24", "dev", "e0")
        expect(network().run("ip", "route", "show", "table", "8020")).not.toContain("via")
        expect(yield* until(() => heard.includes("look again"), SOON)).toBe(true)
        network().run("ip", "address", "add", "203.0.113.200/32", "dev", "e0")
      }).pipe(Effect.scoped)
    ))

  it.live("is told at once", () =>
    onHost(
      Effect.gen(function*() {
        const { heard } = yield* listening(Addresses)
        const delays: Array<number> = []
        for (let i = 0; i < 20; i++) {
          heard.length = 0
          const verb = i % 2 === 0 ? "add" : "del"
          network().run("ip", "address", verb, "198.51.100.50/24", "dev", "e0", "noprefixroute")
          const start = performance.now()
          expect(yield* until(() => heard.length > 0, SOON)).toBe(true)
          delays.push(performance.now() - start)
        }
        const median = delays.toSorted((one, other) => one - other)[10] ?? Number.NaN
        yield* Effect.logInfo(`from the change to the signal: ${median.toFixed(1)} ms`)
        expect(median).toBeLessThan(1000)
      }).pipe(Effect.scoped)
    ))

  it.live("is silent while nothing changes, with traffic on the links and addresses that are renewed", () =>
    onHost(
      Effect.gen(function*() {
        yield* reconcile(inputOf(2))
        const renew = "ip address change 2001:db8:5::1/64 dev m0 valid_lft 100 preferred_lft 50"
        network().run("bash", "-c", renew)
        const heard = yield* Effect.forEach(KINDS, (kind) => Effect.map(listening(kind), (it) => it.heard))
        // The first renewal could be news.
        network().run("bash", "-c", renew)
        yield* untilQuiet(heard)
        for (const one of heard) one.length = 0
        const usage = () => ["ip", "nft"].map((program) => ticksOf(theOne(program)))
        const before = usage()
        const end = performance.now() + 5000
        while (performance.now() < end) {
          expect(network().sourceSeen(FAR_V4, 50_000)).toBe("198.51.100.10")
          network().sourceSeen("192.0.2.1")
          network().run("ip", "neigh", "flush", "all")
          network().run("ip", "route", "replace", "203.0.113.64/26", "via", "192.0.2.1", "metric", "77")
          network().run("bash", "-c", renew)
          yield* Effect.sleep(100)
        }
        const said = heard.map((one) => [...one])
        network().run("ip", "route", "del", "203.0.113.64/26", "metric", "77")
        network().run("ip", "address", "del", "2001:db8:5::1/64", "dev", "m0")
        expect(said).toEqual([[], [], []])
        yield* Effect.logInfo(`ticks of 10 ms that ip and nft took: ${before.join()} -> ${usage().join()}`)
      }).pipe(Effect.scoped)
    ))

  const ticksOf = (pid: number): number => {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? []
    return Number(fields[11]) + Number(fields[12])
  }
})
