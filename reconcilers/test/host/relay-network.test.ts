import { describe, it } from "@effect/vitest"
import { failed } from "@patela/domain/reconciler/Outcome"
import { Clock, Effect, Layer } from "effect"
import { afterAll, beforeAll, beforeEach, expect } from "vitest"
import { HostCommand } from "../../src/host/HostCommand.ts"
import {
  drift,
  FAR_V4,
  FAR_V6,
  hostOf,
  inputOf,
  openNetwork,
  type Read,
  readers,
  reconcile,
  type RelayNetwork,
  uids,
  type Write,
  writers
} from "./RelayNetwork.ts"

describe("the relay network on a real kernel", () => {
  let network: RelayNetwork
  beforeAll(async () => {
    network = await openNetwork()
  })
  afterAll(() => network?.close())
  beforeEach(() => network.clear())

  const onHost = <A, E>(effect: Effect.Effect<A, E, Read | Write>) =>
    Effect.suspend(() =>
      effect.pipe(Effect.provide(Layer.merge(readers, writers).pipe(Layer.provide(hostOf(network.near)))))
    )
  const mainTables = () =>
    ["-4", "-6"].map((family) => network.run("ip", family, "route", "show", "table", "main")).join()
  const foreign = () =>
    [
      network.run("nft", "list", "table", "inet", "foreign"),
      network.run("ip", "address", "show", "dev", "x0"),
      network.run("ip", "address", "show", "dev", "m0"),
      network.run("ip", "-o", "address", "show", "dev", "e0", "to", "203.0.113.0/24"),
      network.run("ip", "rule", "show", "pref", "9000"),
      network.run("ip", "route", "show", "table", "9000")
    ].join().replaceAll(/packets \d+ bytes \d+/g, "")
  const allDone = (outcomes: ReadonlyMap<string, { readonly done: boolean }>) => {
    expect([...outcomes].filter(([, { done }]) => !done)).toEqual([])
    expect(outcomes.size).toBeGreaterThan(0)
  }

  it.live("gives each relay its own sources, root the management path, and no write to anything else", () =>
    onHost(Effect.gen(function*() {
      const input = inputOf(3)
      const main = mainTables()
      const others = foreign()
      allDone(yield* reconcile(input))
      expect(yield* drift(input)).toEqual([])
      expect([...(yield* reconcile(input))]).toEqual([])
      for (const [slot, uid] of uids(input).entries()) {
        expect(network.sourceSeen(FAR_V4, uid)).toBe(`198.51.100.${10 + slot}`)
        expect(network.sourceSeen(FAR_V6, uid)).toBe(`2001:db8:2::${(10 + slot).toString(16)}`)
      }
      expect(network.sourceSeen(FAR_V4)).toBe("192.0.2.10")
      expect(network.sourceSeen(FAR_V6)).toBe("2001:db8:1::10")
      expect(mainTables()).toBe(main)
      expect(foreign()).toBe(others)
      const guard = network.run("nft", "list", "chain", "inet", "patela", "guard")
      expect(guard).toContain("counter packets 0 bytes 0 drop")
    })))

  it.live("fails closed: without its route, element, table entry or rules a relay gets nothing, not another source", () =>
    onHost(Effect.gen(function*() {
      const input = inputOf(2)
      const [uid = 0, second = 0] = uids(input)
      const nothing = (who: number) => {
        expect(network.sourceSeen(FAR_V4, who)).toMatch(/^nothing/)
        expect(network.sourceSeen(FAR_V6, who)).toMatch(/^nothing/)
      }
      allDone(yield* reconcile(input))
      network.run("ip", "route", "del", "default", "via", "198.51.100.1", "dev", "e0", "table", "8020")
      network.run("ip", "-6", "route", "del", "default", "via", "2001:db8:2::1", "dev", "e0", "table", "8020")
      nothing(uid)
      expect((yield* drift(input)).map(({ address }) => address)).toEqual([
        "node/routing/default-v4",
        "node/routing/default-v6"
      ])
      allDone(yield* reconcile(input))

      network.run("ip", "route", "flush", "table", "8020")
      network.run("ip", "-6", "route", "flush", "table", "8020")
      nothing(uid)
      allDone(yield* reconcile(input))

      for (const family of ["-4", "-6"]) {
        for (const preference of ["8020", "8021"]) network.run("ip", family, "rule", "del", "pref", preference)
      }
      nothing(uid)
      allDone(yield* reconcile(input))

      network.run(
        "nft",
        "delete element inet patela mark_v4 { 0x08020002 }; delete element inet patela mark_v6 { 0x08020002 }"
      )
      // The kernel picks the first relay's address, which is not this one's; of the IPv6 addresses it may pick any.
      expect(network.sourceSeen(FAR_V4, second)).toMatch(/^nothing/)
      expect(network.sourceSeen(FAR_V6, second)).toMatch(/^(nothing|2001:db8:2::b$)/)
      expect(network.sourceSeen(FAR_V4, uid)).toBe("198.51.100.10")
      allDone(yield* reconcile(input))
      expect(network.sourceSeen(FAR_V4, second)).toBe("198.51.100.11")
      // A UID of the range without a relay has no source of its own.
      nothing(50_400)
    })))

  it.live("keeps loopback open to relays", () =>
    onHost(Effect.gen(function*() {
      const input = inputOf(1)
      allDone(yield* reconcile(input))
      const echo = "const s=require('net').createServer(c=>c.end('pong\\n')).listen(10000,'127.0.0.1',()=>{"
        + "const c=require('net').connect(10000,'127.0.0.1');c.on('data',d=>{process.stdout.write(d);process.exit()})})"
      const seen = network.run(
        "setpriv",
        "--reuid=50000",
        "--regid=50000",
        "--clear-groups",
        "--",
        process.execPath,
        "-e",
        echo
      )
      expect(seen).toBe("pong\n")
    })))

  it.live("answers for a relay's address by the relay link also where no process does", () =>
    onHost(Effect.gen(function*() {
      allDone(yield* reconcile(inputOf(1)))
      network.runFar(
        "nft",
        "add table inet seen; add chain inet seen c { type filter hook prerouting priority 0; }; "
          + "add rule inet seen c iifname m1 ip saddr 198.51.100.10 counter; add rule inet seen c iifname e1 ip saddr 198.51.100.10 counter"
      )
      // Bound to the far service address, so that the answer needs a route and is not for a neighbour.
      const knock = `const c=require("net").connect({host:"198.51.100.10",port:4444,localAddress:"${FAR_V4}"});`
        + `c.on("error",e=>{console.log(e.code);process.exit()})`
      expect(network.runFar("timeout", "3", process.execPath, "-e", knock).trim()).toBe("ECONNREFUSED")
      const counters = [...network.runFar("nft", "list", "table", "inet", "seen").matchAll(/packets (\d+)/g)]
        .map(([, packets]) => Number(packets))
      network.runFar("nft", "delete", "table", "inet", "seen")
      expect(counters[0]).toBe(0)
      expect(counters[1]).toBeGreaterThan(0)
    })))

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
      const others = foreign()
      allDone(yield* reconcile(input))
      network.run(...argv)
      const found = (yield* drift(input)).map((change) => change.address)
      expect(found).toContainEqual(typeof address === "string" ? address : expect.stringMatching(address))
      allDone(yield* reconcile(input))
      expect(yield* drift(input)).toEqual([])
      expect([...(yield* reconcile(input))]).toEqual([])
      expect(network.sourceSeen(FAR_V4, 50_000)).toBe("198.51.100.10")
      expect(network.sourceSeen(FAR_V6, 50_001)).toBe("2001:db8:2::b")
      expect(foreign()).toBe(others)
    })))

  it.live("removes the relays that go, first address of the subnet included, and leaves the others", () =>
    onHost(Effect.gen(function*() {
      allDone(yield* reconcile(inputOf(4)))
      const four = inputOf(4)
      const two = { ...four, config: { ...four.config, relays: four.config.relays.slice(2) } }
      const others = foreign()
      const main = mainTables()
      const plans = yield* drift(two)
      expect(plans.every(({ action, reason }) => action === "remove" && reason === "not in config")).toBe(true)
      allDone(yield* reconcile(two))
      expect(yield* drift(two)).toEqual([])
      expect(network.sourceSeen(FAR_V4, 50_002)).toBe("198.51.100.12")
      expect(network.sourceSeen(FAR_V4, 50_000)).toMatch(/^nothing/)
      expect(foreign()).toBe(others)
      expect(mainTables()).toBe(main)
    })))

  it.live("leaves out the relay whose address the kernel refuses", () =>
    onHost(Effect.gen(function*() {
      const input = inputOf(3)
      const [first, second, third] = input.config.relays
      if (first === undefined || second === undefined || third === undefined) throw new Error("three relays expected")
      const multicast = inputOf(3).config.relays.map((relay) =>
        relay.slot === 1 && relay.ip_v6 !== null ? Object.assign({}, relay, { ip_v6: "ff02::5" }) : relay
      )
      const outcomes = yield* reconcile({ ...input, config: { ...input.config, relays: multicast } })
      const refused = [...outcomes].filter(([, { done }]) => !done)
      expect(refused.map(([address]) => address)).toEqual(["relay/cheese1/address-v6"])
      expect(network.sourceSeen(FAR_V6, 50_002)).toBe("2001:db8:2::c")
    })))

  it.live("finds the relay whose elements the kernel refuses and applies the others", () =>
    Effect.gen(function*() {
      // A kernel that refuses one element: the real one, asked for a key that is there already.
      const poisoned = Layer.effect(
        HostCommand,
        Effect.gen(function*() {
          const real = yield* HostCommand
          const poison = Effect.fnUntraced(function*(program: string, args: ReadonlyArray<string>) {
            const path = args.at(-1) ?? ""
            if (program === "nft" && args.includes("-f")) {
              yield* real.run("sed", [
                "-i",
                `s/\\[134348804,"198.51.100.13"\\]/[134348804,"198.51.100.13"],[134348804,"198.51.100.99"]/`,
                path
              ])
            }
          })
          return HostCommand.of({
            run: (program, args, options) =>
              Effect.andThen(Effect.ignore(poison(program, args)), real.run(program, args, options)),
            attempt: real.attempt
          })
        })
      ).pipe(Layer.provide(hostOf(network.near)))
      const input = inputOf(9)
      const outcomes = yield* reconcile(input).pipe(
        Effect.provide(Layer.merge(readers, writers).pipe(Layer.provide(poisoned)))
      )
      const refused = [...outcomes].filter(([, { done }]) => !done)
      expect(refused).toEqual([["relay/cheese3/source-nat", failed(expect.stringContaining("refuses the source"))]])
      expect(network.sourceSeen(FAR_V4, 50_008)).toBe("198.51.100.18")
      expect(network.sourceSeen(FAR_V4, 50_003)).toMatch(/^nothing/)
      allDone(yield* onHost(reconcile(input)))
      expect(network.sourceSeen(FAR_V4, 50_003)).toBe("198.51.100.13")
    }))

  it.live("converges after a kill at any line of any batch", () =>
    Effect.gen(function*() {
      const input = inputOf(2)
      let lines = 0
      let alive = true
      while (alive) {
        network.clear()
        let budget = lines
        alive = false
        const mortal = Layer.effect(
          HostCommand,
          Effect.gen(function*() {
            const real = yield* HostCommand
            const attempt: typeof real.attempt = (program, args, options) => {
              const isWrite = args.includes("-force") || args.includes("-f")
              if (!isWrite) return real.attempt(program, args, options)
              const stdin = typeof options?.stdin === "string"
                ? options.stdin.split("\n").filter((line) => line !== "")
                : [""]
              const allowed = stdin.slice(0, budget)
              budget -= allowed.length
              if (allowed.length === stdin.length) return real.attempt(program, args, options)
              alive = true
              const some = program === "ip" && allowed.length > 0
                ? real.attempt(program, args, { stdin: `${allowed.join("\n")}\n` })
                : Effect.void
              return Effect.andThen(some, Effect.interrupt)
            }
            const run: typeof real.run = (program, args, options) =>
              args.includes("-f")
                ? Effect.map(attempt(program, args, options), ({ stdout }) => stdout)
                : real.run(program, args, options)
            return HostCommand.of({ run, attempt })
          })
        ).pipe(Layer.provide(hostOf(network.near)))
        yield* reconcile(input).pipe(
          Effect.provide(Layer.merge(readers, writers).pipe(Layer.provide(mortal))),
          Effect.exit
        )
        yield* onHost(reconcile(input))
        expect(yield* onHost(drift(input))).toEqual([])
        lines += 1
      }
      expect(lines).toBeGreaterThan(14)
    }))

  it.live("takes 64 relays in well under a second", () =>
    onHost(Effect.gen(function*() {
      const input = inputOf(64)
      const timed = Effect.fnUntraced(function*<A, E, R>(effect: Effect.Effect<A, E, R>) {
        const start = yield* Clock.currentTimeMillis
        const value = yield* effect
        return [value, (yield* Clock.currentTimeMillis) - start] as const
      })
      const [outcomes, applied] = yield* timed(reconcile(input))
      allDone(outcomes)
      const [changes, observed] = yield* timed(drift(input))
      expect(changes).toEqual([])
      yield* Effect.logInfo(`64 relays: applied in ${applied} ms, observed and compared in ${observed} ms`)
      expect(network.sourceSeen(FAR_V4, 50_063)).toBe("198.51.100.73")
      expect(applied).toBeLessThan(1000)
      expect(observed).toBeLessThan(500)
    })))
})
