import { describe, it } from "@effect/vitest"
import { RelayName } from "@patela/domain/relay/RelayName"
import { Slot } from "@patela/domain/relay/Slot"
import { Effect, Schema } from "effect"
import { expect } from "vitest"
import type { OwnedAddress } from "../src/ledger/Owned.ts"
import { kind, type Start, worldOf, Written } from "./AddressWorld.ts"
import { CASES, kindLaws } from "./KindLaws.ts"
import { inputOf, sharingOf, Slots } from "./NetworkInput.ts"

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

describe("an address", () => {
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
})
