import { describe, it } from "@effect/vitest"
import type { DesiredInput } from "@patela/domain/reconciler/Kind"
import { RelayName } from "@patela/domain/relay/RelayName"
import { Slot } from "@patela/domain/relay/Slot"
import { Effect, Layer, Schema } from "effect"
import { expect } from "vitest"
import { LedgerNotWritten, LedgerWriter } from "../src/ledger/LedgerWriter.ts"
import type { OwnedAddress } from "../src/ledger/Owned.ts"
import { kind, worldOf, Written } from "./AddressWorld.ts"
import { CASES, kindLaws } from "./KindLaws.ts"
import { inputOf, Slots } from "./NetworkInput.ts"

/** Put there for relays that are not configured any more, two addresses each. */
const ownedOf = (addresses: ReadonlyArray<string>): ReadonlyArray<OwnedAddress> =>
  [...new Set(addresses)].filter((address) => !address.startsWith("fe80")).map((address, index) => ({
    address,
    relay: RelayName.make(`gone${index >> 1}`),
    slot: Slot.make(100 + (index >> 1))
  }))

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
