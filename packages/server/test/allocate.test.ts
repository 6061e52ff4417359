import { assert, describe, it } from "@effect/vitest"
import { NodeId } from "@patela/domain/node/NodeId"
import { RelayName } from "@patela/domain/relay/RelayName"
import { Effect, Result, Schema } from "effect"
import { poolV4, poolV6 } from "../src/allocate/AddressPool.ts"
import { allocate, type Taken } from "../src/allocate/allocate.ts"
import { allocateInTurn } from "../src/allocate/allocateInTurn.ts"
import { cheeses } from "../src/allocate/cheeses.ts"
import { relayCount, relaysByHardware } from "../src/allocate/relayCount.ts"
import { relayNames } from "../src/allocate/relayNames.ts"
import { remembered } from "../src/allocate/remembered.ts"
import type { Given } from "../src/allocate/takenBy.ts"
import type { NewRelay } from "../src/relays/Relays.ts"
import { everythingLeft } from "./rig/everythingLeft.ts"

const between = (minimum: number, maximum: number) =>
  Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum, maximum })))

/** A fleet's life: which of few nodes asks, and for how many relays. */
const Requests = Schema.Array(Schema.Struct({ node: between(0, 5), wanted: between(0, 12) })).pipe(
  Schema.check(Schema.isMaxLength(40))
)

const gateway = "192.0.2.33"

/** Runs the requests one after another, and holds every answer to what must be true of each. */
const live = (requests: typeof Requests.Type, prefix: number, withV6: boolean) => {
  const pools = {
    v4: [Result.getOrThrow(poolV4("192.0.2.30", prefix)), Result.getOrThrow(poolV4("198.51.100.4", 30))],
    v6: withV6 ? [Result.getOrThrow(poolV6("2001:db8::30", 120))] : []
  }
  const nodes = new Map<number, ReadonlyArray<NewRelay>>()
  const every = () => [...nodes.values()].flat()
  for (const { node, wanted } of requests) {
    const mine = nodes.get(node) ?? []
    const ask = (has: ReadonlyArray<NewRelay>) =>
      allocate({
        missing: Math.max(0, wanted - has.length),
        taken: {
          left: everythingLeft,
          names: new Set(every().map((relay) => relay.name)),
          addresses: new Set([
            ...every().flatMap(({ ip_v4, ip_v6 }) => ip_v6 === null ? [ip_v4] : [ip_v4, ip_v6]),
            gateway,
            "2001:db8::33"
          ]),
          own: new Map(),
          slots: new Set(has.map((relay) => relay.slot))
        },
        pools,
        perAddress: 1
      })
    const added = ask(mine)
    if (Result.isFailure(added)) {
      assert.include(added.failure.message, "patela pool add")
      continue
    }
    nodes.set(node, [...mine, ...added.success])
    assert.strictEqual(nodes.get(node)?.length, Math.max(mine.length, wanted))
    assert.deepStrictEqual(Result.getOrThrow(ask(nodes.get(node) ?? [])), [], "asking again gives nothing more")
  }
  return { relays: every(), nodes, pools }
}

const unique = (values: ReadonlyArray<unknown>) => new Set(values).size === values.length

describe("allocate", () => {
  it.prop("gives no name, address or slot twice, and only addresses of the pools", [
    Requests,
    Schema.Boolean,
    between(26, 29)
  ], ([requests, withV6, prefix]) => {
    const { relays, nodes, pools } = live(requests, prefix, withV6)
    assert.isTrue(unique(relays.map((relay) => relay.name)))
    assert.isTrue(unique(relays.map((relay) => relay.ip_v4)))
    const v6 = relays.flatMap((relay) => relay.ip_v6 === null ? [] : [relay.ip_v6])
    assert.strictEqual(v6.length, withV6 ? relays.length : 0)
    assert.isTrue(unique(v6))
    for (const own of nodes.values()) {
      assert.deepStrictEqual(own.map((relay) => relay.slot as number), own.map((_, slot) => slot))
    }
    const allowed = new Set(pools.v4.flatMap((pool) => [...pool.addresses()]))
    for (const { ip_v4 } of relays) {
      assert.isTrue(allowed.has(ip_v4))
      assert.notStrictEqual(ip_v4, gateway)
    }
  })

  it("fills a pool to its last address and then refuses, all or nothing", () => {
    const v4 = Result.getOrThrow(poolV4("192.0.2.9", 29))
    const ask = (wanted: number) =>
      allocate({
        missing: wanted,
        taken: {
          left: everythingLeft,
          names: new Set(),
          addresses: new Set(["192.0.2.11"]),
          own: new Map(),
          slots: new Set()
        },
        pools: { v4: [v4], v6: [] },
        perAddress: 1
      })
    const full = Result.getOrThrow(ask(5)).map((relay) => relay.ip_v4 as string)
    assert.deepStrictEqual(full, ["192.0.2.9", "192.0.2.10", "192.0.2.12", "192.0.2.13", "192.0.2.14"])
    assert.isTrue(Result.isFailure(ask(6)))
  })
})

describe("allocateInTurn", () => {
  it.prop("gives each node what it would get after those before it", [
    Schema.Array(between(0, 6)).pipe(Schema.check(Schema.isMaxLength(12))),
    Schema.Boolean
  ], ([wanted, withV6]) => {
    const pools = {
      v4: [Result.getOrThrow(poolV4("192.0.2.30", 28))],
      v6: withV6 ? [Result.getOrThrow(poolV6("2001:db8::1", 124))] : []
    }
    const takenFor = (given: Given): Taken => ({ left: everythingLeft, ...given, own: new Map(), slots: new Set() })
    const needs = wanted.map((missing, index) => ({ id: NodeId.make(index + 1), missing }))
    const names = new Set<string>()
    const addresses = new Set<string>()
    const apart = needs.map(({ missing }) => {
      const added = allocate({ missing, taken: takenFor({ names, addresses }), pools, perAddress: 1 })
      for (const { ip_v4, ip_v6, name } of Result.getOrElse(added, () => [])) {
        names.add(name)
        for (const address of ip_v6 === null ? [ip_v4] : [ip_v4, ip_v6]) addresses.add(address)
      }
      return added
    })
    const together = allocateInTurn({ needs, takenFor: (_, given) => takenFor(given), pools, perAddress: 1 })
    assert.deepStrictEqual([...together.values()], apart)
  })
})

describe("pools", () => {
  const texts = <A extends string>(pool: Result.Result<{ readonly addresses: () => Iterable<A> }, unknown>) =>
    [...Result.getOrThrow(pool).addresses()].map(String)
  it("leave out network and broadcast, except where a network has none", () => {
    assert.deepStrictEqual(texts(poolV4("192.0.2.0", 30)), ["192.0.2.1", "192.0.2.2"])
    assert.deepStrictEqual(texts(poolV4("192.0.2.0", 31)), ["192.0.2.0", "192.0.2.1"])
    assert.deepStrictEqual(texts(poolV4("192.0.2.7", 32)), ["192.0.2.7"])
    assert.deepStrictEqual(texts(poolV6("2001:DB8:0::", 126)), ["2001:db8::1", "2001:db8::2", "2001:db8::3"])
    assert.deepStrictEqual(texts(poolV4("255.255.255.252", 30)), ["255.255.255.253", "255.255.255.254"])
  })
  it("are refused where they are none", () => {
    for (const prefix of [0, 33, 1.5, Number.NaN]) assert.isTrue(Result.isFailure(poolV4("192.0.2.1", prefix)))
    for (const first of ["", "192.0.2", "192.0.2.256", "2001:db8::"]) {
      assert.isTrue(Result.isFailure(poolV4(first, 24)))
    }
    assert.isTrue(Result.isFailure(poolV6("192.0.2.1", 64)))
    assert.isTrue(Result.isFailure(poolV6("2001:db8::", 129)))
  })
  it("of a large network cost nothing until they are used", () => {
    const [first] = Result.getOrThrow(poolV6("2001:db8::10", 32)).addresses()
    assert.strictEqual(String(first), "2001:db8::10")
  })
})

describe("values that are remembered", () => {
  it.prop("are the same whoever goes through them, and made once", [
    Schema.Array(between(0, 2)).pipe(Schema.check(Schema.isMaxLength(60))),
    between(0, 9)
  ], ([turns, length]) => {
    let made = 0
    const values = remembered(function*() {
      for (let value = 0; value < length; value += 1) {
        made += 1
        yield value
      }
    })
    const readers = [0, 1, 2].map(() => ({ values: values(), seen: 0 }))
    for (const turn of turns) {
      const reader = readers[turn]
      if (reader === undefined) continue
      const { done = false, value } = reader.values.next()
      assert.deepStrictEqual([done, value], reader.seen < length ? [false, reader.seen] : [true, undefined])
      if (!done) reader.seen += 1
    }
    assert.strictEqual(made, Math.max(...readers.map(({ seen }) => seen)))
  })
})

describe("relay names", () => {
  it("are at least 300 cheeses, each once, and then numbered", () => {
    assert.isAtLeast(cheeses.length, 300)
    const names = relayNames()
    const first = Array.from({ length: 5000 }, () => names.next().value)
    assert.isTrue(unique(first))
    assert.isTrue(first.every((name) => Schema.is(RelayName)(name)))
    assert.strictEqual(first[cheeses.length], "toma2")
  })
})

describe("relay count", () => {
  it.effect.prop("is min(floor(memory / bound), CPUs), unless the operator says otherwise", {
    n_cpus: between(1, 1000),
    memory: between(1, 2 ** 45)
  }, (specs) =>
    Effect.sync(() => {
      const relays_by_hardware = relaysByHardware(specs, 2 ** 30)
      const count = relayCount({ relays_by_hardware, relays_override: null }, 512) ?? -1
      assert.isAtMost(count, specs.n_cpus)
      assert.isAtMost(count * 2 ** 30, specs.memory)
      assert.isTrue(
        count === 512 || count === specs.n_cpus || (count + 1) * 2 ** 30 > specs.memory,
        "no more would fit"
      )
      assert.strictEqual(relayCount({ relays_by_hardware, relays_override: null }, 5), Math.min(count, 5))
      assert.strictEqual(relayCount({ relays_by_hardware, relays_override: 7 }, 5), 7)
    }))
})
