import { describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { expect } from "vitest"
import {
  allDone,
  drift,
  FAR_V4,
  FAR_V6,
  inputOf,
  onHost as onNode,
  type Read,
  reconcile,
  type Write
} from "./RelayNetwork.ts"
import { testNetwork } from "./TestNetwork.ts"

describe("drift of the relay network on a real kernel", () => {
  const network = testNetwork()

  const onHost = <A, E>(effect: Effect.Effect<A, E, Read | Write>) => Effect.suspend(() => onNode(network(), effect))

  const DAMAGES: ReadonlyArray<readonly [name: string, address: string | RegExp, argv: ReadonlyArray<string>]> = [
    ["a deleted address", "relay/cheese1/address-v4", ["ip", "address", "del", "198.51.100.11/24", "dev", "e0"]],
    ["a deleted IPv6 address", "relay/cheese1/address-v6", ["ip", "address", "del", "2001:db8:2::b/64", "dev", "e0"]],
    ["an address too many", "address/198.51.100.50/24", [
      "ip",
      "address",
      "add",
      "198.51.100.50/24",
      "dev",
      "e0",
      "noprefixroute"
    ]],
    ["an address in two lengths", "relay/cheese1/address-v4", [
      "ip",
      "address",
      "add",
      "198.51.100.11/25",
      "dev",
      "e0",
      "noprefixroute"
    ]],
    ["a deleted rule", "node/routing/rule-mark-v4", ["ip", "rule", "del", "pref", "8021"]],
    ["a rule too many", /^routing\/v4\/rule/, [
      "ip",
      "rule",
      "add",
      "pref",
      "7000",
      "from",
      "192.0.2.99",
      "iif",
      "lo",
      "lookup",
      "8020"
    ]],
    ["a moved rule", "node/routing/rule-uid-v4", [
      "bash",
      "-c",
      "ip rule del pref 8020 && ip rule add pref 8019 uidrange 50000-50511 lookup 8020"
    ]],
    ["a deleted subnet route", "node/routing/subnet-v6", [
      "ip",
      "-6",
      "route",
      "del",
      "2001:db8:2::/64",
      "dev",
      "e0",
      "table",
      "8020"
    ]],
    ["another gateway", "node/routing/default-v4", [
      "ip",
      "route",
      "replace",
      "default",
      "via",
      "198.51.100.2",
      "dev",
      "e0",
      "onlink",
      "table",
      "8020"
    ]],
    ["a route too many", /^routing\/v4\/route/, ["ip", "route", "add", "blackhole", "192.0.2.128/25", "table", "8020"]],
    ["a multipath route too many", /^routing\/v4\/route/, [
      "ip",
      "route",
      "add",
      "192.0.2.128/25",
      "table",
      "8020",
      "nexthop",
      "via",
      "192.0.2.1",
      "dev",
      "m0",
      "nexthop",
      "via",
      "192.0.2.2",
      "dev",
      "m0"
    ]],
    ["a deleted table", "node/source-nat", ["nft", "delete", "table", "inet", "patela"]],
    ["a flushed nft chain", "node/source-nat", ["nft", "flush", "chain", "inet", "patela", "output"]],
    ["a foreign rule in the table", "node/source-nat", ["nft", "add rule inet patela output counter"]],
    ["a foreign chain in the table", "node/source-nat", ["nft", "add chain inet patela mine"]],
    ["a flushed map", "relay/cheese0/source-nat", ["nft", "flush", "map", "inet", "patela", "mark_v4"]],
    ["a wrong element", "relay/cheese0/source-nat", [
      "nft",
      "delete element inet patela mark_v4 { 0x08020001 }; add element inet patela mark_v4 { 0x08020001 : 198.51.100.99 }"
    ]],
    ["an element of no relay", "source-nat/slot/7", ["nft", "add element inet patela uid_mark { 50007 : 0x08020008 }"]],
    ["an element of nobody", "node/source-nat", ["nft", "add element inet patela uid_mark { 0 : 0x08020001 }"]],
    ["a relay link that is down", "node/link", ["ip", "link", "set", "e0", "down"]]
  ]
  it.live.each(DAMAGES)("finds and repairs %s", ([, address, argv]) =>
    onHost(Effect.gen(function*() {
      const input = inputOf(2)
      const others = network().foreign()
      allDone(yield* reconcile(input))
      network().run(...argv)
      const found = (yield* drift(input)).map((change) => change.address)
      expect(found).toContainEqual(typeof address === "string" ? address : expect.stringMatching(address))
      allDone(yield* reconcile(input))
      expect(yield* drift(input)).toEqual([])
      expect([...(yield* reconcile(input))]).toEqual([])
      expect(network().sourceSeen(FAR_V4, 50_000)).toBe("198.51.100.10")
      expect(network().sourceSeen(FAR_V6, 50_001)).toBe("2001:db8:2::b")
      expect(network().foreign()).toBe(others)
    })))
})
