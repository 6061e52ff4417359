import { describe, it } from "@effect/vitest"
import type { DesiredInput } from "@patela/domain/reconciler/Kind"
import { markOf } from "@patela/domain/relay/Slot"
import { Effect, Layer } from "effect"
import { readFileSync, writeFileSync } from "node:fs"
import { afterAll, beforeAll, expect } from "vitest"
import { Addresses } from "../../src/addresses/Addresses.ts"
import { AddressWriter } from "../../src/addresses/AddressWriter.ts"
import { HostCommand } from "../../src/host/HostCommand.ts"
import { LedgerWriter } from "../../src/ledger/LedgerWriter.ts"
import { RouteWriter } from "../../src/routing/RouteWriter.ts"
import { Routing } from "../../src/routing/Routing.ts"
import { SourceNat } from "../../src/source-nat/SourceNat.ts"
import { SourceNatWriter } from "../../src/source-nat/SourceNatWriter.ts"
import { type Broken, kindLaws, type World } from "../KindLaws.ts"
import { Lifetime, mortal } from "../Lifetime.ts"
import {
  hostOf,
  inputOf,
  LEDGER,
  openNetwork,
  type Read,
  readers,
  type RelayNetwork,
  sharing,
  type Write
} from "./RelayNetwork.ts"

const INPUT = inputOf(3)
const SHARING = sharing(INPUT)

/**
 * A kernel that refuses the addresses and the source of broken relays: the real one, asked for a link that is not there
 * and for an element that says two things.
 */
const refusing = (near: string, broken: Broken, input: DesiredInput) =>
  Layer.effect(
    HostCommand,
    Effect.gen(function*() {
      const real = yield* HostCommand
      const relays = input.config.relays.filter(({ name }) => broken.has(name))
      const misled = (line: string) =>
        relays.some(({ ip_v4, ip_v6 }) => line.includes(` ${ip_v4}/`) || line.includes(` ${ip_v6}/`))
          ? line.replace("dev e0", "dev absent")
          : line
      const poison = (path: string) => {
        let batch = readFileSync(path, "utf8")
        for (const { ip_v4, slot } of relays) {
          const element = `[${markOf(slot)},"${ip_v4}"]`
          batch = batch.replace(element, `${element},[${markOf(slot)},"198.51.100.99"]`)
        }
        writeFileSync(path, batch)
      }
      return HostCommand.of({
        attempt: (program, args, options) =>
          real.attempt(
            program,
            args,
            typeof options?.stdin === "string" && args.includes("-force")
              ? { ...options, stdin: options.stdin.split("\n").map(misled).join("\n") }
              : options
          ),
        run: (program, args, options) => {
          if (program === "nft" && args.includes("-f")) poison(args.at(-1) ?? "")
          return real.run(program, args, options)
        },
        ask: real.ask
      })
    })
  ).pipe(Layer.provide(hostOf(near)))

describe("the laws of the network kinds on a real kernel", () => {
  let network: RelayNetwork
  beforeAll(async () => {
    network = await openNetwork()
  })
  afterAll(() => network?.close())

  /** The node with nothing of Patela's but what these commands make. */
  const worldOf = (...before: ReadonlyArray<ReadonlyArray<string>>) => worldFor(INPUT, ...before)

  const worldFor =
    (input: DesiredInput, ...before: ReadonlyArray<ReadonlyArray<string>>) => (broken: Broken): World<Read | Write> => {
      network.clear()
      network.run("ip", "link", "set", "e0", "up")
      for (const argv of before) network.run(...argv)
      const host = new Lifetime()
      const writers = Layer.mergeAll(
        mortal(AddressWriter, host, AddressWriter.layer),
        mortal(LedgerWriter, host, LedgerWriter.layerAt(LEDGER)),
        mortal(RouteWriter, host, RouteWriter.layer),
        mortal(SourceNatWriter, host, SourceNatWriter.layer)
      )
      return {
        host,
        layer: Layer.merge(readers, writers).pipe(Layer.provide(refusing(network.near, broken, input))),
        // A link that comes up gets this one route from the kernel itself.
        foreign: () => [network.mainTables().replace(/fe80::\/64 dev e0 .*\n/, ""), network.foreign()],
        // The kernel refuses an address, and with it whoever has it together with a broken relay.
        excused: new Set(
          input === SHARING && broken.size > 0 ? [0, 1, 2].map((slot) => `relay/cheese${slot}/address-v4`) : []
        )
      }
    }
  const none: ReadonlySet<string> = new Set()

  it.live("addresses: from nothing", () =>
    Effect.gen(function*() {
      expect(yield* kindLaws(Addresses, INPUT, worldOf())).toEqual(none)
    }))

  it.live("addresses: from others, from wrong ones and from a link that is down", () =>
    Effect.gen(function*() {
      const add = (address: string) => ["ip", "address", "add", address, "dev", "e0", "noprefixroute"]
      const before = worldOf(
        add("198.51.100.50/24"),
        add("198.51.100.11/25"),
        add("198.51.100.12/24"),
        add("2001:db8:2::aa/64"),
        add("2001:db8:2::c/48"),
        ["ip", "link", "set", "e0", "down"]
      )
      expect(yield* kindLaws(Addresses, INPUT, before)).toEqual(none)
      expect(network.run("ip", "-o", "address", "show", "dev", "e0")).not.toContain("198.51.100.50")
    }))

  it.live("addresses: of relays that went", () =>
    Effect.gen(function*() {
      const add = (slot: number) => ["ip", "address", "add", `198.51.100.${10 + slot}/24`, "dev", "e0", "noprefixroute"]
      expect(yield* kindLaws(Addresses, inputOf(0), worldOf(add(0), add(1), add(2)))).toEqual(none)
      expect(network.run("ip", "-o", "-4", "address", "show", "dev", "e0").trim().split("\n")).toHaveLength(1)
    }))

  it.live("addresses: one that relays have together", () =>
    Effect.gen(function*() {
      expect(yield* kindLaws(Addresses, SHARING, worldFor(SHARING))).toEqual(none)
    }))

  it.live("routing: from nothing", () =>
    Effect.gen(function*() {
      expect(yield* kindLaws(Routing, INPUT, worldOf())).toEqual(none)
    }))

  it.live("routing: from another gateway, a rule and a route too many", () =>
    Effect.gen(function*() {
      const route = (...words: ReadonlyArray<string>) => ["ip", "route", "add", ...words, "table", "8020"]
      const before = worldOf(
        route("default", "via", "198.51.100.2", "dev", "e0", "onlink"),
        route("blackhole", "192.0.2.128/25"),
        ["ip", "rule", "add", "pref", "7000", "from", "192.0.2.99", "iif", "lo", "lookup", "8020"],
        ["ip", "rule", "add", "pref", "8021", "from", "192.0.2.98", "lookup", "8020"]
      )
      expect(yield* kindLaws(Routing, INPUT, before)).toEqual(none)
    }))

  it.live("source-nat: from nothing", () =>
    Effect.gen(function*() {
      expect(yield* kindLaws(SourceNat, INPUT, worldOf())).toEqual(none)
    }))

  it.live("source-nat: of relays that have an address together, where an older agent gave it to the first", () =>
    Effect.gen(function*() {
      expect(yield* kindLaws(SourceNat, SHARING, worldFor(SHARING))).toEqual(none)
      const before = worldFor(SHARING, [
        "nft",
        "add table inet patela; add map inet patela source_v4 { type ipv4_addr : mark; "
        + "elements = { 198.51.100.10 : 0x08020001 }; }"
      ])
      expect(yield* kindLaws(SourceNat, SHARING, before)).toEqual(none)
      expect(network.run("nft", "list", "map", "inet", "patela", "source_v4")).toContain("198.51.100.10 : 0x08020000")
    }))

  it.live("source-nat: from a table of somebody else's by that name", () =>
    Effect.gen(function*() {
      const before = worldOf([
        "nft",
        "add table inet patela; add chain inet patela mine { type filter hook input priority 0; }; "
        + "add map inet patela uid_mark { typeof meta skuid : meta mark; elements = { 50007 : 0x08020008, 0 : 1 }; }"
      ])
      expect(yield* kindLaws(SourceNat, INPUT, before)).toEqual(none)
      expect(network.run("nft", "list", "table", "inet", "patela")).not.toContain("mine")
    }))
})
