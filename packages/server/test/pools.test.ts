import { assert, describe, it } from "@effect/vitest"
import { ResolvedNode } from "@patela/domain/node/NodeConfig"
import type { NodeId } from "@patela/domain/node/NodeId"
import { RelayName } from "@patela/domain/relay/RelayName"
import { Effect, Layer, Result, Schema } from "effect"
import { overlap, poolV4, poolV6 } from "../src/allocate/AddressPool.ts"
import { Allocator } from "../src/allocate/Allocator.ts"
import { PoolAdministration } from "../src/allocate/PoolAdministration.ts"
import { Pools } from "../src/allocate/Pools.ts"
import { PoolSettings } from "../src/allocate/PoolSettings.ts"
import { poolFromText } from "../src/allocate/poolText.ts"
import { poolView } from "../src/allocate/poolUsage.ts"
import { Audit } from "../src/audit/Audit.ts"
import { Generation } from "../src/generation/Generation.ts"
import { Administration } from "../src/nodes/Administration.ts"
import { RelayAdministration } from "../src/relays/RelayAdministration.ts"
import { Relays } from "../src/relays/Relays.ts"
import { NetworkAdministration } from "../src/settings/NetworkAdministration.ts"
import { enabledMany, enlistMany, network, node1, specs, tokenOf } from "./rig/Fleet.ts"
import { environment, TestApi, testApi } from "./rig/TestApi.ts"

const poolOf = (text: string, reserved: ReadonlyArray<string> = []) => Result.getOrThrow(poolFromText(text, reserved))

const between = (minimum: number, maximum: number) =>
  Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum, maximum })))

const usage = Effect.flatMap(PoolAdministration, (pools) => Effect.map(pools.usage, (all) => all.map(poolView)))

const allocate = Effect.fnUntraced(function*(id: NodeId, relays: number) {
  yield* (yield* Administration).set("test", id, "relays", String(relays))
  return yield* (yield* Allocator).allocate(yield* (yield* Administration).node(id), specs)
})

describe("a pool", () => {
  const Range = Schema.Struct({ first: between(0, 63), length: between(0, 63), prefix: between(26, 32) })
  const Reserved = Schema.Array(between(0, 63)).pipe(Schema.check(Schema.isMaxLength(4)))

  it.effect.prop("has just the addresses of its range that a relay can have, and counts them", [Range, Reserved], (
    [{ first, length, prefix }, reserved]
  ) =>
    Effect.sync(() => {
      const address = (host: number) => `192.0.2.${host}`
      const made = poolV4(address(first), prefix, {
        last: address(first + length),
        reserved: reserved.map(address)
      })
      if (Result.isFailure(made)) return
      const pool = made.success
      const size = 2 ** (32 - prefix)
      const network = first - first % size
      const edges = prefix >= 31 ? [] : [network, network + size - 1]
      const expected = Array.from({ length: 256 }, (_, host) => host).filter((host) =>
        first <= host && host <= first + length && !edges.includes(host) && !reserved.includes(host)
      )
      assert.deepStrictEqual([...pool.addresses()].map(String), expected.map(address))
      assert.strictEqual(Number(pool.size), expected.length)
      for (let host = 0; host < 256; host += 1) assert.strictEqual(pool.holds(address(host)), expected.includes(host))
    }))

  it.effect.prop(
    "has addresses in common with another where a range has",
    [Range, Range],
    ([one, other]) =>
      Effect.sync(() => {
        const made = (range: typeof Range.Type) =>
          poolV4(`192.0.2.${range.first}`, 24, { last: `192.0.2.${range.first + range.length}` })
        const [left, right] = [made(one), made(other)]
        if (Result.isFailure(left) || Result.isFailure(right)) return
        const hosts = (range: typeof Range.Type) =>
          Array.from({ length: range.length + 1 }, (_, index) => range.first + index)
        const common = hosts(one).some((host) => hosts(other).includes(host))
        assert.strictEqual(overlap(left.success, right.success), common)
        assert.isFalse(overlap(left.success, Result.getOrThrow(poolV6("2001:db8::1", 64))))
      })
  )

  it("is read as people write it, and refused with what is wrong", () => {
    assert.strictEqual(poolOf("192.0.2.10-192.0.2.99/24").title, "192.0.2.10-192.0.2.99/24")
    assert.strictEqual(poolOf("2001:DB8::10/64").title, "2001:db8::10-2001:db8::ffff:ffff:ffff:ffff/64")
    const wrong = [
      ["192.0.2.10", "FIRST-LAST/PREFIX"],
      ["192.0.2.10/0", "1 to 32"],
      ["192.0.2.10-192.0.2.9/24", "before the first"],
      ["192.0.2.10-192.0.3.9/24", "not in the /24"],
      ["192.0.2.300/24", "not an IPv4 address"],
      ["192.0.2.0-192.0.2.0/24", "no relay could have"],
      ["2001:db8::1-192.0.2.1/64", "not an IPv6 address"]
    ] as const
    for (const [text, why] of wrong) {
      const made = poolFromText(text, [])
      assert.include(Result.isFailure(made) ? made.failure.message : "", why, text)
    }
    for (const reserved of ["192.0.2.1", "nothing", "2001:db8::1"]) {
      assert.isTrue(Result.isFailure(poolFromText("192.0.2.10/24", [reserved])))
    }
  })
})

describe("pools", () => {
  const small = { PATELA_FIRST_V4: "192.0.2.10", PATELA_PREFIX_V4: "28" }

  it.effect("are used one after another, and counted", () =>
    Effect.gen(function*() {
      yield* enlistMany(2)
      const pools = yield* PoolAdministration
      yield* (yield* NetworkAdministration).set("test", network)
      yield* pools.add("anna", poolOf("198.51.100.8/29", ["198.51.100.10"]))
      assert.strictEqual(yield* allocate(node1, 7), 7)
      assert.deepStrictEqual((yield* (yield* Relays).ofNode(node1)).map(({ ip_v4 }) => String(ip_v4)), [
        "192.0.2.10",
        "192.0.2.11",
        "192.0.2.12",
        "192.0.2.13",
        "192.0.2.14",
        "198.51.100.9",
        "198.51.100.11"
      ])
      yield* (yield* RelayAdministration).remove("test", RelayName.make("toma"))
      const counts = (yield* usage).map(({ free, quarantined, size, used }) => ({ size, used, quarantined, free }))
      assert.deepStrictEqual(counts, [
        { size: 5, used: 4, quarantined: 1, free: 0 },
        { size: 5, used: 2, quarantined: 0, free: 3 }
      ])
      assert.deepInclude((yield* (yield* Audit).newest(20)).find(({ what }) => what === "pool: added"), {
        who: "anna",
        value_after: "198.51.100.8-198.51.100.15/29 without 198.51.100.10"
      })
    }).pipe(Effect.provide(testApi(small))))

  it.effect("tell nodes the prefix of each, and that of the gateway's network apart", () =>
    Effect.gen(function*() {
      const { ask } = yield* TestApi
      yield* enabledMany(1)
      yield* (yield* NetworkAdministration).set("test", network)
      const before = yield* (yield* Generation).current
      yield* (yield* PoolAdministration).add("test", poolOf("198.51.100.9-198.51.100.12/28"))
      assert.strictEqual(yield* (yield* Generation).current, before + 1)
      const { body } = yield* ask({ path: "/private/config/resolved/node", token: yield* tokenOf(node1) })
      const { network: told } = yield* Schema.decodeUnknownEffect(ResolvedNode)(body)
      assert.deepStrictEqual([told.prefix_v4, told.prefix_v6], [24, null])
      assert.deepStrictEqual(told.pools.map(({ first, prefix }) => `${first}/${prefix}`), [
        "192.0.2.10/24",
        "198.51.100.9/28"
      ])
    }).pipe(Effect.provide(testApi())))

  it.effect("are not added over one another, nor where the network would not fit them", () =>
    Effect.gen(function*() {
      const pools = yield* PoolAdministration
      yield* (yield* NetworkAdministration).set("test", network)
      const { rows } = yield* TestApi
      const before = yield* rows
      const over = yield* Effect.flip(pools.add("test", poolOf("192.0.2.1-192.0.2.10/24")))
      assert.include(over.message, "pool 1 (192.0.2.10-192.0.2.255/24) have addresses in common")
      const noGateway = yield* Effect.flip(pools.add("test", poolOf("2001:db8::10/64")))
      assert.include(noGateway.message, "no IPv6 gateway")
      assert.strictEqual(yield* rows, before)
    }).pipe(Effect.provide(testApi())))

  it.effect("go when nobody needs them, and the refusal names who does", () =>
    Effect.gen(function*() {
      yield* enlistMany(1)
      const pools = yield* PoolAdministration
      yield* (yield* NetworkAdministration).set("test", network)
      yield* pools.add("test", poolOf("198.51.100.8/30"))
      yield* allocate(node1, 6)
      const { rows } = yield* TestApi
      const before = yield* rows
      const used = yield* Effect.flip(pools.remove("test", 2, true))
      assert.include(used.message, "a relay has addresses of it: raschera")
      assert.include((yield* Effect.flip(pools.remove("test", 9, true))).message, "There is no pool 9")
      assert.strictEqual(yield* rows, before)
      yield* (yield* RelayAdministration).remove("test", RelayName.make("raschera"))
      assert.include((yield* Effect.flip(pools.remove("test", 2, false))).message, "in quarantine")
      yield* pools.remove("test", 2, true)
      assert.strictEqual((yield* usage).length, 1)
      for (const { name } of yield* (yield* Relays).list) {
        yield* (yield* RelayAdministration).remove("test", name)
      }
      assert.include((yield* Effect.flip(pools.remove("test", 1, true))).message, "that of PATELA_FIRST_V4")
    }).pipe(Effect.provide(testApi(small))))

  it.effect("of the environment follow it from start to start, and outlive it", () =>
    Effect.gen(function*() {
      const { list } = yield* Pools
      const { current } = yield* Generation
      const pools = yield* PoolAdministration
      const startWith = (variables: Readonly<Record<string, string>>) =>
        Effect.provide(Effect.void, Layer.provide(Layer.fresh(PoolSettings.layer), environment(variables)))
      const texts = Effect.map(list, (all) => all.map(({ environment: of, pool }) => `${pool.title} ${of}`))

      const before = yield* current
      yield* startWith(small)
      assert.strictEqual(yield* current, before, "the same again is no change")
      yield* startWith({ ...small, PATELA_FIRST_V4: "192.0.2.4" })
      assert.deepStrictEqual(yield* texts, ["192.0.2.4-192.0.2.15/28 true"])
      assert.strictEqual(yield* current, before + 1)
      yield* startWith({})
      assert.deepStrictEqual(yield* texts, ["192.0.2.4-192.0.2.15/28 false"])
      assert.include((yield* Effect.flip(pools.remove("test", 1, true))).message, "last IPv4 pool")
      const refused = yield* Effect.flip(startWith(small))
      assert.include(refused.message, "PATELA_FIRST_V4: 192.0.2.10-192.0.2.15/28 and pool 1")
      yield* startWith({ ...small, PATELA_FIRST_V4: "192.0.2.4" })
      yield* pools.add("test", poolOf("198.51.100.8/29"))
      yield* startWith({ PATELA_FIRST_V4: "203.0.113.1", PATELA_PREFIX_V4: "29" })
      assert.deepStrictEqual(yield* texts, [
        "203.0.113.1-203.0.113.7/29 true",
        "192.0.2.4-192.0.2.15/28 false",
        "198.51.100.8-198.51.100.15/29 false"
      ])
    }).pipe(Effect.provide(testApi(small))))
})

describe("a node that is given no more", () => {
  it.effect("is an alarm until it has what it should, and harms no other", () =>
    Effect.gen(function*() {
      const { ask } = yield* TestApi
      const [one, two] = yield* enabledMany(2)
      if (one === undefined || two === undefined) return assert.fail("no nodes")
      yield* (yield* NetworkAdministration).set("test", network)
      const refusalOf = (id: NodeId) =>
        Effect.map(
          Effect.flatMap(Administration, (administration) => administration.node(id)),
          (node) => node.allocation_refused
        )
      const say = (token: string) => ask({ path: "/private/specs", body: specs, token })
      assert.strictEqual((yield* say(one.token)).status, 200)
      const refused = yield* say(two.token)
      assert.strictEqual(refused.status, 409)
      assert.include(refused.text, "2 free addresses and 3 are needed")
      assert.include(yield* refusalOf(two.id), "patela pool add")
      assert.isNull(yield* refusalOf(one.id))
      const relays = yield* ask({ path: "/private/config/node", token: one.token })
      assert.strictEqual(relays.status, 200)
      yield* (yield* PoolAdministration).add("test", poolOf("198.51.100.8/29"))
      assert.strictEqual((yield* say(two.token)).status, 200)
      assert.isNull(yield* refusalOf(two.id))
      assert.strictEqual((yield* (yield* Relays).ofNode(two.id)).length, 3)

      // One that has relays, and should have more than there are.
      yield* (yield* Administration).set("test", one.id, "relays", "40")
      assert.strictEqual((yield* ask({ path: "/private/config/node", token: one.token })).status, 200)
      assert.include(yield* refusalOf(one.id), "are needed")
      yield* (yield* Administration).set("test", one.id, "relays", "3")
      yield* ask({ path: "/private/config/node", token: one.token })
      assert.isNull(yield* refusalOf(one.id), "it wants no more")
    }).pipe(Effect.provide(testApi({ PATELA_FIRST_V4: "192.0.2.10", PATELA_PREFIX_V4: "28" }))))

  it.effect("may be so for want of slots", () =>
    Effect.gen(function*() {
      yield* enlistMany(1)
      const pools = yield* PoolAdministration
      yield* pools.add("test", poolOf("10.0.0.0/16"))
      yield* allocate(node1, 512)
      yield* (yield* RelayAdministration).remove("test", RelayName.make("toma"))
      const failure = yield* Effect.flip(allocate(node1, 512))
      assert.include(failure.message, "0 of the node's 512 slots are free and 1 are needed")
      yield* pools.set("test", "quarantine", "0d")
      assert.strictEqual(yield* allocate(node1, 512), 512)
    }).pipe(Effect.provide(testApi())))
})
