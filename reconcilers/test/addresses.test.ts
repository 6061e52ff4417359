import { describe, it } from "@effect/vitest"
import type { DesiredInput, Kind } from "@patela/domain/reconciler/Kind"
import { RelayName } from "@patela/domain/relay/RelayName"
import { Effect, Layer, Schema } from "effect"
import { expect } from "vitest"
import { Addresses } from "../src/addresses/Addresses.ts"
import { AddressReader, type HostLink, readLinks } from "../src/addresses/AddressReader.ts"
import { type AddressStep, AddressWriter } from "../src/addresses/AddressWriter.ts"
import { batchFailures } from "../src/host/IpBatch.ts"
import { damaged } from "./DamagedText.ts"
import { type Broken, CASES, FakeHost, kindLaws, type World } from "./KindLaws.ts"
import { inputOf, relayOf, Slots } from "./NetworkInput.ts"
import { type Monitors, noMonitors } from "./NoMonitors.ts"

type Services = Monitors | AddressReader | AddressWriter

const kind: Kind<Services, Services> = Addresses

/** Addresses in and outside the pools, of both families, of relays and of nobody. */
const Written = Schema.Struct({
  link: Schema.Literals(["e0", "m0"]),
  address: Schema.Literals([
    "198.51.100.10",
    "198.51.100.11",
    "198.51.100.12",
    "198.51.100.77",
    "198.51.100.200",
    "192.0.2.5",
    "2001:db8:2::a",
    "2001:db8:2::b",
    "2001:db8:2::99",
    "2001:db8:3::1",
    "fe80::1"
  ]),
  prefix: Schema.Literals([24, 25, 32, 64]),
  failed: Schema.Boolean
})

const linksOf = (written: ReadonlyArray<typeof Written.Type>, up: boolean): ReadonlyArray<HostLink> =>
  ["m0", "e0"].map((name) => ({
    name,
    up: up || name === "m0",
    addresses: [
      ...new Map(
        written.filter(({ link }) => link === name).map(({ address, failed, prefix }) => [
          `${address}/${prefix}`,
          { address, prefix, failed, linkLocal: address.startsWith("fe80") }
        ])
      ).values()
    ]
  }))

const foreignOf = (links: ReadonlyArray<HostLink>, slots: ReadonlyArray<number>) => {
  const ours = new Set(slots.map(relayOf).flatMap(({ ip_v4, ip_v6 }) => ip_v6 === null ? [ip_v4] : [ip_v4, ip_v6]))
  return links.flatMap(({ addresses, name }) =>
    addresses.filter(({ address }) => {
      if (name !== "e0") return true
      const pooled = /^198\.51\.100\.[1-9]\d$|^2001:db8:2::(.|..)$/.test(address)
      return !pooled && !ours.has(address)
    }).map((address) => ({ name, ...address }))
  )
}

interface Start {
  readonly written: ReadonlyArray<typeof Written.Type>
  readonly up: boolean
  readonly slots: ReadonlyArray<number>
  /** Slots of relays whose IPv4 address the kernel refuses. */
  readonly refused: ReadonlyArray<number>
}

/** A kernel in memory: links with addresses. It refuses both addresses of a broken relay. */
const worldOf = ({ refused, slots, up, written }: Start) => (broken: Broken): World<Services> => {
  const host = new FakeHost()
  let links = linksOf(written, up)
  const refuses = new Set([
    ...refused.map((slot) => relayOf(slot).ip_v4),
    ...slots.map(relayOf).flatMap(({ ip_v4, ip_v6, name }) => broken.has(RelayName.make(name)) ? [ip_v4, ip_v6] : [])
  ])
  const change = (name: string, edit: (link: HostLink) => HostLink) =>
    host.write(() => {
      links = links.map((link) => link.name === name ? edit(link) : link)
    })
  const perform = Effect.fnUntraced(function*(step: AddressStep) {
    if (step.step === "up" || step.step === "down") {
      yield* change(step.link, ({ addresses, name }) => ({ name, addresses, up: step.step === "up" }))
      return undefined
    }
    const { address, link, prefix } = step
    if (refuses.has(address)) return "RTNETLINK answers: Permission denied"
    const added = step.step === "add" ? [{ address, prefix, linkLocal: false, failed: false }] : []
    yield* change(link, ({ addresses, name, up }) => ({
      name,
      up,
      addresses: [...addresses.filter((one) => one.address !== address || one.prefix !== prefix), ...added]
    }))
    return undefined
  })
  const layer = Layer.mergeAll(
    noMonitors,
    Layer.succeed(AddressReader, { links: Effect.sync(() => links) }),
    Layer.succeed(AddressWriter, { perform: (steps) => Effect.forEach(steps, perform) })
  )
  return { host, layer, foreign: () => foreignOf(links, slots) }
}

/** The first plan of a host with these addresses. */
const planOn = (input: DesiredInput, ...written: ReadonlyArray<typeof Written.Type>) =>
  Effect.provide(kind.plan(input), worldOf({ written, up: true, slots: [], refused: [] })(new Set()).layer)

describe("addresses", () => {
  for (const { kills, runs, said } of CASES) {
    it.effect.prop(
      `the laws hold on any host, ${said}`,
      [Slots, Schema.Array(Written), Schema.Boolean],
      ([slots, written, up]) =>
        kindLaws(kind, inputOf(slots), worldOf({ written, up, slots, refused: [] }), undefined, kills),
      runs
    )
  }

  it.effect.prop("fails for a refused address alone", [Slots, Slots], ([slots, refused]) =>
    Effect.gen(function*() {
      const failed = yield* kindLaws(kind, inputOf(slots), worldOf({ written: [], up: true, slots, refused }))
      const wanted = slots.filter((slot) => refused.includes(slot)).map((slot) => `relay/cheese${slot}/address-v4`)
      expect([...failed].toSorted()).toEqual(wanted.toSorted())
    }))

  it.effect("refuses everything without a relay interface, and touches nothing", () => {
    const input = inputOf([0, 1])
    const blind: DesiredInput = {
      ...input,
      facts: { ...input.facts, relayInterface: { found: false, why: "no link is free" } }
    }
    return Effect.gen(function*() {
      const plan = yield* planOn(blind, { link: "e0", address: "198.51.100.77", prefix: 24, failed: false })
      expect(plan.changes).toEqual([])
      expect(plan.refused.map(({ address, refused }) => `${address}: ${refused}`)).toEqual([
        "node/link: no link is free",
        "relay/cheese0/address-v4: no link is free",
        "relay/cheese0/address-v6: no link is free",
        "relay/cheese1/address-v4: no link is free",
        "relay/cheese1/address-v6: no link is free"
      ])
    })
  })

  it.effect("refuses an address without a prefix length, one of the gateway and one of two relays", () => {
    const input = inputOf([0, 1], { gateway_v4: "198.51.100.10", prefix_v6: null })
    const [first, second] = input.config.relays
    const relays = first === undefined || second === undefined
      ? []
      : [first, second, { ...second, name: first.name, slot: first.slot }]
    return Effect.gen(function*() {
      const onLink = { link: "e0", address: "2001:db8:2::a", prefix: 64, failed: false } as const
      const plan = yield* planOn({ ...input, config: { ...input.config, relays } }, onLink)
      expect(plan.refused.map(({ refused }) => refused)).toEqual([
        "198.51.100.10 is the gateway's address",
        "2001:db8:2::a has no prefix length: prefix_v6 is not set",
        "2001:db8:2::b has no prefix length: prefix_v6 is not set",
        "198.51.100.11 is already the address of relay cheese1",
        "2001:db8:2::b has no prefix length: prefix_v6 is not set"
      ])
      // What a refused resource has on the host is left alone.
      expect(plan.changes.map(({ action, address }) => `${action} ${address}`)).toEqual([
        "create relay/cheese1/address-v4"
      ])
    })
  })

  it.effect("gives each address the prefix length of its own pool, and of the network where none is said", () =>
    Effect.gen(function*() {
      const plan = yield* planOn(inputOf([0, 1], {
        pools: [
          { family: "ipv4", first: "198.51.100.11", last: "198.51.100.12", prefix: 28 },
          { family: "ipv4", first: "198.51.100.10", last: "198.51.100.10" },
          { family: "ipv6", first: "2001:db8:2::b", last: "2001:db8:2::ff", prefix: 120 }
        ]
      }))
      expect(plan.changes.flatMap(({ lines }) => lines)).toEqual([
        "+ 198.51.100.10/24 dev e0",
        "+ 2001:db8:2::a/64 dev e0",
        "+ 198.51.100.11/28 dev e0",
        "+ 2001:db8:2::b/120 dev e0"
      ])
    }))

  it("tells which lines of a batch failed", () => {
    const stderr =
      "Error: ipv4: Address already assigned.\nCommand failed -:2\nRTNETLINK answers: Permission denied\nCommand failed -:4\n"
    expect([...batchFailures({ exitCode: 1, stdout: "", stderr }, 4)]).toEqual([
      [2, "Error: ipv4: Address already assigned."],
      [4, "RTNETLINK answers: Permission denied"]
    ])
    expect(batchFailures({ exitCode: 0, stdout: "", stderr: "a warning" }, 4).size).toBe(0)
    const aborted = batchFailures({ exitCode: 1, stdout: "", stderr: "Error: any valid prefix is expected" }, 3)
    expect([...aborted.keys()]).toEqual([1, 2, 3])
    expect(batchFailures({ exitCode: 255, stdout: "", stderr: "" }, 1).get(1)).toBe("ip ended with code 255")
  })

  /** As iproute2 6.1 wrote it. */
  const WRITTEN = JSON.stringify([{
    ifindex: 3,
    link_index: 2,
    ifname: "e0",
    flags: ["BROADCAST", "MULTICAST", "UP", "LOWER_UP"],
    mtu: 1500,
    operstate: "UP",
    addr_info: [
      { family: "inet", local: "198.51.100.5", prefixlen: 24, scope: "global", secondary: true, noprefixroute: true },
      { family: "inet6", local: "2001:db8:2::5", prefixlen: 64, scope: "global", dadfailed: true },
      { family: "inet6", local: "fe80::1", prefixlen: 64, scope: "link", valid_life_time: 4294967295 }
    ]
  }])

  it.effect("reads what ip writes", () =>
    Effect.gen(function*() {
      expect(yield* readLinks(WRITTEN)).toEqual([{
        name: "e0",
        up: true,
        addresses: [
          { address: "198.51.100.5", prefix: 24, linkLocal: false, failed: false },
          { address: "2001:db8:2::5", prefix: 64, linkLocal: false, failed: true },
          { address: "fe80::1", prefix: 64, linkLocal: true, failed: false }
        ]
      }])
      const failure = yield* Effect.flip(readLinks(WRITTEN.replace("\"prefixlen\":24", "\"prefixlen\":\"24\"")))
      expect(failure.message).toContain("prefixlen")
    }))

  it.effect("survives any damage to what ip writes", () =>
    Effect.gen(function*() {
      let failures = 0
      for (let seed = 1; seed <= 3000; seed++) {
        const text = damaged(WRITTEN, seed)
        const exit = yield* Effect.result(readLinks(text))
        if (exit._tag !== "Failure") continue
        failures += 1
        expect(exit.failure._tag).toBe("ObservationFailed")
        expect(exit.failure.message).toMatch(/at \[|JSON|Expected|Missing/)
      }
      expect(failures).toBeGreaterThan(500)
    }))
})
