import { describe, it } from "@effect/vitest"
import { Ipv4 } from "@patela/domain/net/Ipv4"
import type { DesiredInput } from "@patela/domain/reconciler/Kind"
import { done } from "@patela/domain/reconciler/Outcome"
import { Effect, Layer, Schema } from "effect"
import { afterAll, beforeAll, beforeEach, expect } from "vitest"
import { HostCommand } from "../../src/host/HostCommand.ts"
import { LedgerReader } from "../../src/ledger/LedgerReader.ts"
import {
  drift,
  FAR_V4,
  hostOf,
  inputOf,
  KINDS,
  openNetwork,
  type Read,
  readers,
  reconcile,
  type RelayNetwork,
  sharing,
  type Write,
  writers
} from "../host/RelayNetwork.ts"

/** The address of the management server, on the far side of the management link. */
const SERVER = Ipv4.make("192.0.2.1")

/** Relays in some slots alone. */
const only = (slots: ReadonlyArray<number>): DesiredInput => {
  const input = inputOf(64)
  return {
    ...input,
    config: { ...input.config, relays: input.config.relays.filter(({ slot }) => slots.includes(slot)) }
  }
}

/** What somebody did to what is Patela's: a plan would undo it, and a checkpoint puts it back. */
const ODDITIES: Readonly<Record<string, ReadonlyArray<ReadonlyArray<string>>>> = {
  "an address of no relay": [["ip", "address", "add", "198.51.100.90/24", "dev", "e0", "noprefixroute"]],
  "a relay's address in another length": [["ip", "address", "add", "198.51.100.12/25", "dev", "e0", "noprefixroute"]],
  "IPv6 addresses of no relay": [
    ["ip", "address", "add", "2001:db8:2::99/64", "dev", "e0", "noprefixroute", "nodad"],
    ["ip", "address", "add", "2001:db8:2::98/128", "dev", "e0", "noprefixroute", "nodad"]
  ],
  "routes of all types": [
    ["ip", "route", "replace", "blackhole", "192.0.2.128/25", "table", "8020"],
    ["ip", "route", "replace", "prohibit", "192.0.2.64/26", "metric", "7", "table", "8020"],
    ["ip", "-6", "route", "replace", "blackhole", "2001:db8:a::/48", "table", "8020"],
    ["ip", "-6", "route", "replace", "unreachable", "2001:db8:b::/48", "metric", "5", "table", "8020"],
    ["ip", "route", "replace", "throw", "192.0.2.32/28", "table", "8020"]
  ],
  "a route with more to it": [
    "ip route replace 203.0.113.0/26 via 192.0.2.1 dev m0 src 192.0.2.10 proto static mtu 1400 table 8020".split(" "),
    "ip -6 route replace 2001:db8:c::/48 via 2001:db8:1::1 dev m0 metric 9 mtu 1400 table 8020".split(" ")
  ],
  "a multipath route": [
    "ip route replace 192.0.2.192/26 table 8020 nexthop via 192.0.2.1 dev m0 weight 2 nexthop via 192.0.2.2 dev m0"
      .split(" ")
  ],
  "another gateway": [
    ["ip", "route", "replace", "unreachable", "default", "metric", "4294967295", "table", "8020"],
    "ip route replace default via 192.0.2.2 dev m0 table 8020".split(" ")
  ],
  "rules of their own": [
    "ip rule add pref 7000 not from 192.0.2.99/32 to 203.0.113.0/24 iif lo lookup 8020".split(" "),
    "ip rule add pref 7001 fwmark 0x1/0xff tos 0x10 lookup 8020 suppress_prefixlength 4".split(" "),
    "ip -6 rule add pref 7002 uidrange 7-9 oif gone0 lookup 8020".split(" "),
    "ip rule add pref 7003 ipproto tcp dport 443 lookup 8020".split(" "),
    "ip rule add pref 7004 from 192.0.2.0/25 lookup 8020 realms 1/2 proto static".split(" ")
  ],
  "more in the table": [
    ["nft", "add table inet patela; add chain inet patela mine; add chain inet patela jumps"],
    ["nft", "add rule inet patela jumps tcp dport { 80, 443 } counter packets 5 bytes 500 jump mine"],
    ["nft", "add set inet patela pairs { type ipv4_addr . inet_service; flags interval; }"],
    ["nft", "add element inet patela pairs { 192.0.2.0/24 . 80-90, 203.0.113.7 . 443 }"],
    ["nft", "add map inet patela verdicts { type ipv6_addr : verdict; }"],
    ["nft", "add element inet patela verdicts { 2001:db8::1 : jump mine, 2001:db8::2 : drop }"],
    ["nft", "add set inet patela seen { type mark . ipv4_addr; flags timeout; timeout 1h; }"],
    ["nft", "add element inet patela seen { 0x1 . 192.0.2.1 timeout 50m comment \"why not\" }"],
    ["nft", "add counter inet patela named { packets 3 bytes 40 }; add quota inet patela much { over 25 mbytes }"],
    ["nft", "add rule inet patela mine log prefix \"a word: # {;\" limit rate 3/minute accept comment \"odd; }\""]
  ],
  "a sleeping table": [["nft", "add table inet patela { flags dormant; }"]],
  "a link that is down": [["ip", "link", "set", "e0", "down"]]
}

const Oddity = Schema.Literals(Object.keys(ODDITIES))
const Slots = Schema.UniqueArray(Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 9 }))))

describe("a checkpoint of the relay network on a real kernel", () => {
  let network: RelayNetwork
  beforeAll(async () => {
    network = await openNetwork()
  })
  afterAll(() => network?.close())
  beforeEach(() => clear())

  const clear = () => {
    network.clear()
    for (const link of ["m0", "e0", "x0"]) network.run("ip", "link", "set", link, "up")
    network.run("ip", "route", "replace", "default", "via", "192.0.2.1")
    for (const name of ["late", "other"]) network.run("nft", `add table inet ${name}; delete table inet ${name}`)
    for (const pref of ["9001"]) network.run("bash", "-c", `ip rule del pref ${pref} || true`)
    network.run(
      "bash",
      "-c",
      "ip address del 203.0.113.201/32 dev e0 || true; ip address del 198.51.100.78/32 dev x0 || true"
    )
  }

  const onHost = <A, E>(effect: Effect.Effect<A, E, Read | Write>) =>
    Effect.suspend(() =>
      effect.pipe(Effect.provide(Layer.merge(readers, writers).pipe(Layer.provide(hostOf(network.near)))))
    )

  /** All that is on the relay link, in table 8020, its rules and the nft table, as their programs say it. */
  const owned = () => ({
    link: network.run("ip", "link", "show", "dev", "e0").includes(",UP"),
    addresses: network.run("ip", "-o", "address", "show", "dev", "e0").split("\n").map((line) =>
      line.replaceAll(/\\.*|\bsecondary\b|\btentative\b/g, "").replaceAll(/\s+/g, " ")
    ).toSorted(),
    rules: ["-4", "-6"].map((family) => network.run("ip", family, "rule", "show")),
    routes: ["-4", "-6"].map((family) =>
      network.run("bash", "-c", `ip ${family} route show table 8020 2>/dev/null || true`)
    ),
    table: network.run("bash", "-c", "nft list table inet patela 2>/dev/null || echo absent")
      .replaceAll(/expires \w+/g, "")
  })

  /** Without the kernel's own route of the relay link, which comes and goes with it. */
  const foreign = () =>
    [
      ...["-4", "-6"].map((family) => network.run("ip", family, "route", "show", "table", "main")),
      network.run("bash", "-c", "nft -s list ruleset | sed '/^table inet patela/,/^}/d'"),
      network.run("ip", "address", "show", "dev", "x0"),
      network.run("ip", "address", "show", "dev", "m0"),
      network.run("ip", "-o", "address", "show", "dev", "e0", "to", "203.0.113.0/24"),
      network.run("ip", "route", "show", "table", "9000")
    ].map((text) => text.replaceAll(/valid_lft.*|fe80::\/64 dev e0 .*\n/g, ""))

  const ledger = Effect.flatMap(LedgerReader, ({ read }) => read)

  const checkpoints = (input: DesiredInput) =>
    Effect.forEach(KINDS, (kind) => kind.checkpoint?.(input) ?? Effect.die("every network kind has a checkpoint"))

  /** What other people do while a configuration is tried. */
  const bystander = () => {
    network.run("ip", "address", "add", "203.0.113.201/32", "dev", "e0")
    network.run("ip", "address", "add", "198.51.100.78/32", "dev", "x0")
    network.run("ip", "rule", "add", "pref", "9001", "from", "203.0.113.201", "lookup", "9000")
    network.run("nft", "add table inet late; add chain inet late c")
  }
  const withoutBystander = () => {
    network.run("ip", "address", "del", "203.0.113.201/32", "dev", "e0")
    network.run("ip", "rule", "del", "pref", "9001")
  }

  it.live.prop(
    "puts back what was there byte for byte, whatever that was and whatever was applied since",
    [Slots, Slots, Slots, Schema.UniqueArray(Oddity), Schema.Boolean, Schema.Boolean, Schema.Boolean],
    ([first, second, third, oddities, backwards, sharedBefore, shared]) =>
      onHost(Effect.gen(function*() {
        clear()
        const [placedBefore, placed] = [sharedBefore, shared].map((share) => (slots: ReadonlyArray<number>) =>
          share ? sharing(only(slots)) : only(slots)
        )
        if (placedBefore === undefined || placed === undefined) return
        if (first.length > 0) yield* reconcile(placedBefore(first))
        for (const oddity of oddities) for (const argv of ODDITIES[oddity] ?? []) network.run(...argv)
        const before = owned()
        const noted = yield* ledger
        const restores = yield* checkpoints(placed(second))
        yield* reconcile(placed(second))
        yield* reconcile(placed(third))
        bystander()
        const others = foreign()
        const outcomes = yield* Effect.forEach(backwards ? restores.toReversed() : restores, (restore) => restore)
        expect(outcomes).toEqual([done, done, done])
        expect(foreign()).toEqual(others)
        withoutBystander()
        expect(owned()).toEqual(before)
        expect(yield* ledger).toEqual(noted)
        // A second time there is nothing to do.
        for (const restore of restores) expect(yield* restore).toEqual(done)
        expect(owned()).toEqual(before)
      })),
    { arbitrary: { runs: 25 } }
  )

  it.live("from nothing, goes back to nothing", () =>
    onHost(Effect.gen(function*() {
      const before = owned()
      const restores = yield* checkpoints(only([0, 1, 2]))
      yield* reconcile(only([0, 1, 2]))
      expect(owned()).not.toEqual(before)
      for (const restore of restores) expect(yield* restore).toEqual(done)
      expect(owned()).toEqual(before)
      expect(before.table).toBe("absent\n")
    })))

  it.live("goes from five relays back to three others, which leave with their own sources again", () =>
    onHost(Effect.gen(function*() {
      const [three, five] = [only([0, 1, 2]), only([5, 6, 7, 8, 9])]
      yield* reconcile(three)
      const before = owned()
      const restores = yield* checkpoints(five)
      yield* reconcile(five)
      expect(network.sourceSeen(FAR_V4, 50_001)).toMatch(/^nothing/)
      for (const restore of restores) expect(yield* restore).toEqual(done)
      expect(owned()).toEqual(before)
      expect(yield* drift(three)).toEqual([])
      expect(network.sourceSeen(FAR_V4, 50_001)).toBe("198.51.100.11")
    })))

  it.live("brings back the way to the server after its address was put onto the relay link", () =>
    onHost(Effect.gen(function*() {
      const good = only([0, 1])
      yield* reconcile(good)
      const before = owned()
      expect(network.sourceSeen("192.0.2.1")).toBe("192.0.2.10")
      const bad = only([0, 1, 2])
      const relays = bad.config.relays.map((relay) => relay.slot === 2 ? { ...relay, ip_v4: SERVER } : relay)
      const input = { ...bad, config: { ...bad.config, relays } }
      const restores = yield* checkpoints(input)
      yield* reconcile(input)
      expect(network.sourceSeen("192.0.2.1")).toMatch(/^nothing/)
      for (const restore of restores) expect(yield* restore).toEqual(done)
      expect(network.sourceSeen("192.0.2.1")).toBe("192.0.2.10")
      expect(owned()).toEqual(before)
    })))

  it.live("puts back addresses of no pool that the ledger has, there and on the link", () =>
    onHost(Effect.gen(function*() {
      yield* reconcile(only([0, 1]))
      const [before, noted] = [owned(), yield* ledger]
      const input = only([2])
      const poolless = { ...input, config: { ...input.config, network: { ...input.config.network, pools: [] } } }
      const restores = yield* checkpoints(poolless)
      yield* reconcile(poolless)
      expect(owned()).not.toEqual(before)
      expect((yield* ledger).addresses.map(({ relay }) => relay)).toEqual(["cheese2", "cheese2"])
      for (const restore of restores) expect(yield* restore).toEqual(done)
      expect(owned()).toEqual(before)
      expect(yield* ledger).toEqual(noted)
    })))

  it.live("leaves a table alone of which nothing but the counters differ", () =>
    onHost(Effect.gen(function*() {
      yield* reconcile(only([0]))
      const restores = yield* checkpoints(only([0]))
      const counted = () => network.run("nft", "list", "table", "inet", "patela")
      // A UID of the range that is no relay's is dropped and counted.
      network.sourceSeen(FAR_V4, 50_400)
      const after = counted()
      expect(after).not.toContain("counter packets 0 bytes 0 drop")
      for (const restore of restores) expect(yield* restore).toEqual(done)
      expect(counted()).toBe(after)
    })))

  it.live("says what it could not put back, and never that it is done", () =>
    onHost(Effect.gen(function*() {
      yield* reconcile(only([0]))
      const restores = yield* checkpoints(only([1]))
      network.run("ip", "link", "set", "e0", "name", "away0", "down")
      try {
        const outcomes = yield* Effect.forEach(restores, (restore) => restore)
        expect(outcomes[0]).toEqual({ done: false, message: "the relay link e0 is gone" })
        expect(outcomes[1]).toMatchObject({
          done: false,
          message: expect.stringMatching(/default via 198.51.100.1 .* is missing/)
        })
      } finally {
        network.run("ip", "link", "set", "away0", "name", "e0", "up")
      }
    })))

  it.live("does not take a writer's word for it", () =>
    Effect.gen(function*() {
      // Programs that say yes and do nothing.
      const idle = Layer.effect(
        HostCommand,
        Effect.gen(function*() {
          const real = yield* HostCommand
          const isWrite = (args: ReadonlyArray<string>) => args.includes("-force") || args.includes("-f")
          return HostCommand.of({
            run: (program, args, options) => isWrite(args) ? Effect.succeed("") : real.run(program, args, options),
            attempt: (program, args, options) =>
              isWrite(args)
                ? Effect.succeed({ exitCode: 0, stdout: "", stderr: "" })
                : real.attempt(program, args, options),
            ask: real.ask
          })
        })
      ).pipe(Layer.provide(hostOf(network.near)))
      const restores = yield* onHost(checkpoints(only([0, 1])))
      yield* onHost(reconcile(only([0, 1])))
      for (const restore of restores) {
        const outcome = yield* restore.pipe(
          Effect.provide(Layer.merge(readers, writers).pipe(Layer.provide(idle)))
        )
        expect(outcome).toMatchObject({ done: false, message: expect.stringContaining("is not as it was") })
      }
    }))
})
