import { describe, it } from "@effect/vitest"
import type { DesiredInput, Kind } from "@patela/domain/reconciler/Kind"
import { RelayName } from "@patela/domain/relay/RelayName"
import { Slot } from "@patela/domain/relay/Slot"
import { Effect, Layer, Schema } from "effect"
import { expect } from "vitest"
import { Addresses } from "../src/addresses/Addresses.ts"
import { AddressReader, type HostLink } from "../src/addresses/AddressReader.ts"
import { type AddressStep, AddressWriter } from "../src/addresses/AddressWriter.ts"
import type { LedgerReader } from "../src/ledger/LedgerReader.ts"
import { LedgerNotWritten, LedgerWriter } from "../src/ledger/LedgerWriter.ts"
import type { OwnedAddress } from "../src/ledger/Owned.ts"
import { type Broken, CASES, FakeHost, kindLaws, type World } from "./KindLaws.ts"
import { inputOf, type RelayOf, relayOf, sharingOf, Slots } from "./NetworkInput.ts"
import { type Monitors, noMonitors } from "./NoMonitors.ts"

type Services = Monitors | AddressReader | AddressWriter | LedgerReader | LedgerWriter

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

const foreignOf = (links: ReadonlyArray<HostLink>, relays: ReadonlyArray<ReturnType<RelayOf>>) => {
  const ours = new Set(relays.flatMap(({ ip_v4, ip_v6 }) => ip_v6 === null ? [ip_v4] : [ip_v4, ip_v6]))
  return links.flatMap(({ addresses, name }) =>
    addresses.filter(({ address }) => {
      if (name !== "e0") return true
      const pooled = /^198\.51\.100\.[1-9]\d$|^2001:db8:2::(.|..)$/.test(address)
      return !pooled && !ours.has(address)
    }).map((address) => ({ name, ...address }))
  )
}

/** Put there for relays that are not configured any more, two addresses each. */
const ownedOf = (addresses: ReadonlyArray<string>): ReadonlyArray<OwnedAddress> =>
  [...new Set(addresses)].filter((address) => !address.startsWith("fe80")).map((address, index) => ({
    address,
    relay: RelayName.make(`gone${index >> 1}`),
    slot: Slot.make(100 + (index >> 1))
  }))

/** What the ledger may say: of relays that are configured and of others, several with one address. */
const Noted = Schema.Struct({
  address: Schema.Literals([
    "198.51.100.10",
    "198.51.100.11",
    "198.51.100.12",
    "192.0.2.5",
    "2001:db8:2::a",
    "2001:db8:2::b"
  ]),
  relay: Schema.Literals(["cheese0", "cheese1", "cheese2", "cheese4", "gone0", "gone1"])
})

const notedOf = (noted: ReadonlyArray<typeof Noted.Type>): ReadonlyArray<OwnedAddress> => [
  ...new Map(
    noted.map(({ address, relay }) => [
      `${address} ${relay}`,
      {
        address,
        relay: RelayName.make(relay),
        slot: Slot.make(Number(relay.at(-1)) + (relay.startsWith("gone") ? 100 : 0))
      }
    ])
  ).values()
]

interface Start {
  readonly written: ReadonlyArray<typeof Written.Type>
  readonly up: boolean
  readonly slots: ReadonlyArray<number>
  /** Slots of relays whose IPv4 address the kernel refuses. */
  readonly refused: ReadonlyArray<number>
  /** What the ledger says was put on the link, besides. */
  readonly owned?: ReadonlyArray<OwnedAddress>
  readonly relay?: RelayOf
}

/** A kernel in memory: links with addresses. It refuses both addresses of a broken relay. */
const worldOf =
  ({ owned = [], refused, relay = relayOf, slots, up, written }: Start) =>
  (broken: Broken): World<Services> & {
    readonly host: FakeHost
    readonly isOnLink: (address: string) => boolean
  } => {
    const host = new FakeHost({ addresses: owned })
    let links = linksOf(written, up)
    const relays = slots.map(relay)
    const wanted = new Set<string | null>(relays.flatMap(({ ip_v4, ip_v6 }) => [ip_v4, ip_v6]))
    const refuses = new Set([
      ...refused.map((slot) => relay(slot).ip_v4),
      ...relays.flatMap(({ ip_v4, ip_v6, name }) => broken.has(RelayName.make(name)) ? [ip_v4, ip_v6] : []),
      ...owned.flatMap(({ address, relay }) => broken.has(relay) && !wanted.has(address) ? [address] : [])
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
      host.ledger(),
      Layer.succeed(AddressReader, { links: Effect.sync(() => links) }),
      Layer.succeed(AddressWriter, { perform: (steps) => Effect.forEach(steps, perform) })
    )
    const isForeign = ({ address, name }: { readonly address: string; readonly name: string }) =>
      name !== "e0" || !owned.some((one) => one.address === address)
    return {
      host,
      layer,
      foreign: () => foreignOf(links, relays).filter(isForeign),
      isOnLink: (address) =>
        links.some((link) => link.name === "e0" && link.addresses.some((one) => one.address === address)),
      excused: sharedWith(broken, relays, owned)
    }
  }

/** All addresses of relays that have one of them together with a broken relay. */
const sharedWith = (
  broken: Broken,
  relays: ReadonlyArray<ReturnType<RelayOf>>,
  owned: ReadonlyArray<OwnedAddress>
): ReadonlySet<string> => {
  const having = [
    ...relays.flatMap((
      { ip_v4, ip_v6, name }
    ) => [{ ip: ip_v4, name }, ...ip_v6 === null ? [] : [{ ip: ip_v6, name }]]),
    ...owned.map(({ address, relay }) => ({ ip: address, name: String(relay) }))
  ]
  const names = new Set([...broken].map(String))
  const ill = [...Map.groupBy(having, ({ ip }) => ip).values()].map((all) => new Set(all.map(({ name }) => name)))
    .filter((having) => having.size > 1 && [...having].some((name) => names.has(name)))
  const excused = new Set(ill.flatMap((having) => [...having]))
  return new Set(
    having.filter(({ name }) => excused.has(name)).flatMap(({ ip, name }) => [
      `relay/${name}/address-${ip.includes(":") ? "v6" : "v4"}`,
      `address/${ip}/${name}`
    ])
  )
}

/** The first plan of a host with these addresses. */
const planOn = (input: DesiredInput, ...written: ReadonlyArray<typeof Written.Type>) =>
  Effect.provide(kind.plan(input), worldOf({ written, up: true, slots: [], refused: [] })(new Set()).layer)

describe("addresses", () => {
  for (const { kills, runs, said } of CASES) {
    it.effect.prop(
      `the laws hold on any host, ${said}`,
      [Slots, Schema.Array(Written), Schema.Boolean, Schema.Array(Written.fields.address)],
      ([slots, written, up, addresses]) =>
        kindLaws(
          kind,
          inputOf(slots),
          worldOf({ written, up, slots, refused: [], owned: ownedOf(addresses) }),
          undefined,
          kills
        ),
      runs
    )
  }

  for (const { kills, runs, said } of CASES) {
    it.effect.prop(
      `the laws hold where relays have addresses together, ${said}`,
      [Slots, Schema.Array(Written), Schema.Array(Noted)],
      ([slots, written, noted]) => {
        const owned = notedOf(noted)
        const wanting = new Set(
          slots.map(sharingOf).flatMap(({ ip_v4, ip_v6, name }) => [`${ip_v4} ${name}`, `${ip_v6} ${name}`])
        )
        const start: Start = { written, up: true, slots, refused: [], owned, relay: sharingOf }
        return kindLaws(
          kind,
          inputOf(slots, {}, sharingOf),
          worldOf(start),
          ({ host, isOnLink }) => {
            for (const { address, relay } of host.owned.addresses) {
              const isKnown = wanting.has(`${address} ${relay}`) || !isOnLink(address)
              expect([address, relay, isKnown]).toEqual([address, relay, true])
            }
          },
          kills
        )
      },
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
        "port 9001 of 198.51.100.11 is already that of relay cheese1",
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

  it.effect("of a relay that left goes, also where its pool is gone, and stands under the relay", () =>
    Effect.gen(function*() {
      const input = inputOf([0], { pools: [] })
      const owned = [
        { address: "192.0.2.5", relay: RelayName.make("toma"), slot: Slot.make(7) },
        { address: "198.51.100.200", relay: RelayName.make("cheese0"), slot: Slot.make(0) }
      ]
      const written = ["192.0.2.5", "198.51.100.200", "198.51.100.77", "198.51.100.10"].map((address) =>
        Schema.decodeUnknownSync(Written)({ link: "e0", address, prefix: 24, failed: false })
      )
      const world = worldOf({ written, up: true, slots: [0], refused: [], owned })(new Set())
      const plan = yield* Effect.provide(kind.plan(input), world.layer)
      expect(plan.changes.filter(({ action }) => action === "remove").map(({ address, scope }) => [address, scope]))
        .toEqual([
          ["relay/toma/address-v4", "relay/toma"],
          // The relay itself stays, with another address.
          ["address/198.51.100.200/cheese0", "relay/cheese0"]
        ])
      yield* Effect.provide(plan.apply(() => true), world.layer)
      expect(world.host.owned.addresses.map(({ address }) => address)).toEqual(["2001:db8:2::a"])
      expect((yield* Effect.provide(kind.plan(input), world.layer)).changes).toEqual([])
    }))

  it.effect("that another relay has now is noted as that one's, so that it goes with it", () =>
    Effect.gen(function*() {
      const owned = [{ address: "198.51.100.10", relay: RelayName.make("toma"), slot: Slot.make(7) }]
      const written = [{ link: "e0", address: "198.51.100.10", prefix: 24, failed: false } as const]
      const { host, layer } = worldOf({ written, up: true, slots: [0], refused: [], owned })(new Set())
      const plan = yield* Effect.provide(kind.plan(inputOf([0])), layer)
      expect(plan.changes[0]?.lines).toEqual(["~ 198.51.100.10/24 dev e0 is cheese0's now, and was toma's"])
      yield* Effect.provide(plan.apply(() => true), layer)
      expect(host.owned.addresses[0]).toEqual({ address: "198.51.100.10", relay: "cheese0", slot: 0 })
    }))

  const shared = "198.51.100.10"
  const own = (name: string, slot: number, address = shared) => ({
    address,
    relay: RelayName.make(name),
    slot: Slot.make(slot)
  })
  const onLink = (address: string, prefix: 24 | 25 | 64 = 24) =>
    Schema.decodeUnknownSync(Written)({ link: "e0", address, prefix, failed: false })

  it.effect("that several relays have is added once, and noted for each", () =>
    Effect.gen(function*() {
      const { host, layer } = worldOf({ written: [], up: true, slots: [0, 1, 2], refused: [], relay: sharingOf })(
        new Set()
      )
      const plan = yield* Effect.provide(kind.plan(inputOf([0, 1, 2], {}, sharingOf)), layer)
      expect(
        plan.changes.map(({ address, lines }) => `${address}: ${lines.join()}`).filter((line) => line.includes("v4"))
      )
        .toEqual([0, 1, 2].map((slot) => `relay/cheese${slot}/address-v4: + ${shared}/24 dev e0`))
      yield* Effect.provide(plan.apply(() => true), layer)
      expect(host.owned.addresses.filter(({ address }) => address === shared).map(({ relay }) => String(relay)))
        .toEqual([
          "cheese0",
          "cheese1",
          "cheese2"
        ])
      // The ledger, one IPv4 address, and the IPv6 addresses of two of them.
      expect(host.writes).toBe(4)
    }))

  it.effect("stays while another relay has it, and nothing is to be done for that one", () =>
    Effect.gen(function*() {
      const owned = [own("cheese0", 0), own("cheese1", 1), own("cheese1", 1, "2001:db8:2::b")]
      const written = [onLink(shared), onLink("2001:db8:2::b", 64)]
      const world = worldOf({ written, up: true, slots: [1], refused: [], owned, relay: sharingOf })(new Set())
      const input = inputOf([1], {}, sharingOf)
      const plan = yield* Effect.provide(kind.plan(input), world.layer)
      expect(plan.changes.map(({ action, address, lines, scope }) => [action, address, scope, ...lines])).toEqual([
        ["remove", "relay/cheese0/address-v4", "relay/cheese0", `~ ${shared}/24 dev e0 stays for cheese1`]
      ])
      yield* Effect.provide(plan.apply(() => true), world.layer)
      expect(world.isOnLink(shared)).toBe(true)
      expect(world.host.owned.addresses.map(({ relay }) => String(relay))).toEqual(["cheese1", "cheese1"])
      expect(world.host.writes).toBe(1)
    }))

  it.effect("stays until its last relay may leave it", () =>
    Effect.gen(function*() {
      const owned = [own("cheese0", 0), own("cheese1", 1)]
      const world = worldOf({ written: [onLink(shared)], up: true, slots: [], refused: [], owned })(new Set())
      const leave = (name: string) =>
        Effect.provide(
          Effect.flatMap(kind.plan(inputOf([])), ({ apply }) => apply(({ scope }) => scope === `relay/${name}`)),
          world.layer
        )
      yield* leave("cheese1")
      expect(world.isOnLink(shared)).toBe(true)
      expect(world.host.owned.addresses).toEqual([own("cheese0", 0)])
      yield* leave("cheese0")
      expect(world.isOnLink(shared)).toBe(false)
      expect(world.host.owned.addresses).toEqual([])
    }))

  it.effect("that a relay comes to have besides others is noted as that one's too", () =>
    Effect.gen(function*() {
      const owned = [own("cheese0", 0), own("gone", 9)]
      const written = [onLink(shared), onLink("2001:db8:2::a", 64), onLink("2001:db8:2::b", 64)]
      const world = worldOf({ written, up: true, slots: [0, 1], refused: [], owned, relay: sharingOf })(new Set())
      const plan = yield* Effect.provide(kind.plan(inputOf([0, 1], {}, sharingOf)), world.layer)
      expect(plan.changes.map(({ action, address, lines }) => [action, address, ...lines])).toEqual([
        ["update", "relay/cheese1/address-v4", `~ ${shared}/24 dev e0 is cheese1's too`],
        ["remove", "relay/gone/address-v4", `~ ${shared}/24 dev e0 stays for cheese0 cheese1`]
      ])
      yield* Effect.provide(plan.apply(() => true), world.layer)
      expect(world.host.owned.addresses).toEqual([own("cheese0", 0), own("cheese1", 1)])
    }))

  it.effect("is in the ledger before it is on the link, and a ledger that cannot be written keeps it off", () =>
    Effect.gen(function*() {
      const { host, layer } = worldOf({ written: [], up: true, slots: [0], refused: [] })(new Set())
      host.killAfter(1)
      yield* Effect.exit(
        Effect.provide(Effect.flatMap(kind.plan(inputOf([0])), ({ apply }) => apply(() => true)), layer)
      )
      expect(host.owned.addresses.map(({ address, relay }) => `${relay} ${address}`)).toEqual([
        "cheese0 198.51.100.10",
        "cheese0 2001:db8:2::a"
      ])
      const notWritten = () => Effect.fail(new LedgerNotWritten({ path: "owned.json", message: "no space left" }))
      const full = Layer.succeed(LedgerWriter, {
        own: notWritten,
        disown: notWritten,
        ownAddresses: notWritten,
        disownAddresses: notWritten
      })
      const fresh = worldOf({ written: [], up: true, slots: [0], refused: [] })(new Set())
      const layers = Layer.merge(fresh.layer, full)
      const outcomes = yield* Effect.provide(
        Effect.flatMap(kind.plan(inputOf([0])), ({ apply }) => apply(() => true)),
        layers
      )
      expect([...outcomes.values()]).toEqual([
        { done: false, message: "no space left" },
        { done: false, message: "no space left" }
      ])
      expect(fresh.host.writes).toBe(0)
    }))
})
