import { describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { expect } from "vitest"
import { ipChangeReader } from "../src/host/IpChanges.ts"
import { textEntries } from "../src/routing/RouteText.ts"

const line = (text: string) => ({ event: "line", text }) as const

/** A link and an address that come, change, are renewed and go. Flags stand for whatever else a line says. */
const Step = Schema.Struct({
  about: Schema.Literals(["link 3", "link 4", "inet 198.51.100.10/24", "inet6 2001:db8:2::a/64"]),
  to: Schema.Literals(["absent", "one way", "another way"]),
  name: Schema.Literals(["e0", "x0"]),
  lifetime: Schema.Literals(["forever", "86400sec", "86399sec"])
})

const lineOf = ({ about, lifetime, name, to }: typeof Step.Type): string => {
  const deleted = to === "absent" ? "Deleted " : ""
  const flags = to === "one way" ? "noprefixroute" : "deprecated"
  return about.startsWith("link")
    ? `${deleted}${
      about.slice(5)
    }: ${name}@e1: <BROADCAST,${flags}> mtu 1500 qdisc noqueue state UP group 0 \\    link/[1] b6:31`
    : `${deleted}3: ${name}    ${about} scope 0 dynamic ${flags} \\       valid_lft ${lifetime} preferred_lft ${lifetime}`
}

describe("what ip monitor says", () => {
  it.effect.prop(
    "is heard exactly where it differs from what was said before, lifetimes aside",
    [Schema.Array(Step)],
    ([steps]) =>
      Effect.sync(() => {
        const read = ipChangeReader()
        const state = new Map<string, string>()
        for (const step of steps) {
          const now = step.to === "absent" ? undefined : `${step.name} ${step.to}`
          const news = now === undefined || state.get(step.about) !== now
          if (now === undefined) state.delete(step.about)
          else state.set(step.about, now)
          expect(read(line(lineOf(step)))).toBe(news ? "link or address" : undefined)
        }
      })
  )

  it("is heard again after events were lost, when anything may have happened", () => {
    const read = ipChangeReader()
    const up = line("3: e0@e1: <UP> mtu 1500 \\    link/[1] b6:31")
    expect([up, up, { event: "lost" } as const, up, up].map(read)).toEqual([
      "link or address",
      undefined,
      "lost",
      "link or address",
      undefined
    ])
  })

  it.each([
    ["relay routing", "default via 198.51.100.1 dev e0 table 8020 onlink "],
    ["relay routing", "Deleted default via 2001:db8:2::1 dev e0 table 8020 metric 1024 onlink pref medium"],
    ["relay routing", "7 default table 8020 metric 4294967295 "],
    ["relay routing", "192.0.2.128/25 table 8020 \\\tnexthop via 192.0.2.1 dev e0 weight 1 onlink "],
    ["relay routing", "Deleted 8020:\tfrom all uidrange 50000-50511 lookup 8020"],
    ["relay routing", "7000:\tnot from 192.0.2.99 iif lo lookup 8020"],
    [undefined, "3 198.51.100.255 dev e0 table 255 proto 2 scope 253 src 198.51.100.10 "],
    [undefined, "Deleted fe80::/64 dev e0 proto 2 metric 256 pref medium"],
    [undefined, "9000:\tfrom 203.0.113.200 lookup 9000"],
    [
      "link or address",
      "3: e0@e1: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group 0 \\    link/[1] b6"
    ],
    [
      "link or address",
      "Deleted 3: e0    inet 198.51.100.10/24 scope 0 noprefixroute e0\\       valid_lft forever preferred_lft forever"
    ]
  ])("means %s: %s", (change, text) => {
    expect(ipChangeReader()(line(text))).toBe(change)
  })
})

describe("the words of ip for the relay table", () => {
  it("are those that it takes back", () => {
    const output = [
      "0:\tfrom all lookup 255",
      "7000:\tnot from 192.0.2.99 to 203.0.113.0/24 iif gone0 [detached] lookup 8020",
      "7001:\tfrom all ipproto ipproto-6 dport 443 lookup 8020 suppress_prefixlength 4",
      "7002:\tfrom all lookup 80200",
      "7 default dev lo metric 4294967295 error -101 pref medium",
      "default via 198.51.100.1 dev e0 onlink linkdown ",
      "192.0.2.192/26 mtu 1400 \\\tnexthop via 192.0.2.1 dev m0 weight 2 \\\tnexthop via 192.0.2.2 dev m0 weight 1 "
    ].join("\n")
    expect(textEntries("v6", output).map(({ line, role, what }) => `${what} ${role} ${line}`)).toEqual([
      "rule other pref 7000 not from 192.0.2.99 to 203.0.113.0/24 iif gone0 lookup 8020",
      "rule other pref 7001 from all ipproto 6 dport 443 lookup 8020 suppress_prefixlength 4",
      "route unreachable unreachable default dev lo metric 4294967295 pref medium table 8020",
      "route other default via 198.51.100.1 dev e0 onlink table 8020",
      "route other 192.0.2.192/26 mtu 1400 table 8020 nexthop via 192.0.2.1 dev m0 weight 2 nexthop via 192.0.2.2 dev m0 weight 1"
    ])
  })
})
