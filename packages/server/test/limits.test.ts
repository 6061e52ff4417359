import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { TestClock } from "effect/testing"
import { sourceOf } from "../src/limits/sourceOf.ts"
import { TokenBuckets } from "../src/limits/TokenBuckets.ts"
import { Administration } from "../src/nodes/Administration.ts"
import { node1 } from "./rig/Fleet.ts"
import { softwareTpm } from "./rig/SoftwareTpm.ts"
import { poolVariables, TestApi, testApi } from "./rig/TestApi.ts"

const between = (minimum: number, maximum: number) =>
  Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum, maximum })))

const Asks = Schema.Array(Schema.Struct({ key: Schema.Literals(["a", "b", "c"]), after: between(0, 20_000) }))

describe("token buckets", () => {
  it.prop("law: in any stretch of time no key has more than its rate and one burst, and what waits passes", [
    between(1, 100),
    Asks
  ], ([perMinute, asks]) => {
    const buckets = new TokenBuckets({ perMinute }, 100)
    const passed = new Map<string, Array<number>>()
    let time = 0
    for (const { key, after } of asks) {
      time += after
      const wait = buckets.wait(key, time)
      assert.strictEqual(buckets.wait(key, time + wait), 0)
      if (wait === 0) {
        buckets.take(key, time)
        passed.set(key, [...passed.get(key) ?? [], time])
      }
    }
    for (const times of passed.values()) {
      for (const [first, from] of times.entries()) {
        for (const [last, to] of times.entries()) {
          if (last >= first) assert.isAtMost(last - first + 1, perMinute + (to - from) * perMinute / 60_000 + 1e-6)
        }
      }
    }
  })

  it.prop("law: however many keys ask, few are known", [Schema.Array(between(0, 1000))], (keys) => {
    const buckets = new TokenBuckets({ perMinute: 1 }, 10)
    for (const [time, key] of keys.flat().entries()) {
      buckets.take(String(key), time)
      assert.isAtMost(buckets.size, 10)
    }
  })

  it("a clock that was set back neither fills nor empties", () => {
    const buckets = new TokenBuckets({ perMinute: 1 }, 10)
    buckets.take("a", 100_000)
    assert.strictEqual(buckets.wait("a", 0), 60_000)
  })
})

describe("a source", () => {
  it("is an IPv4 address, or the /64 of an IPv6 one", () => {
    assert.strictEqual(sourceOf("192.0.2.7"), "192.0.2.7")
    assert.strictEqual(sourceOf("::ffff:192.0.2.7"), "192.0.2.7")
    assert.strictEqual(sourceOf("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64")
    assert.strictEqual(sourceOf("2001:DB8:1:2::9"), "2001:db8:1:2::/64")
    assert.strictEqual(sourceOf("fe80::1%ens0"), "fe80::/64")
    assert.strictEqual(sourceOf(undefined), sourceOf("no:address"))
  })
})

const limited = { ...poolVariables, PATELA_NEW_PER_SOURCE: "3", PATELA_NEW_IN_ALL: "8", PATELA_AUTH_PER_NODE: "5" }

describe("the way in", () => {
  const statusFrom = Effect.fnUntraced(function*(from: string, body: unknown) {
    const { ask } = yield* TestApi
    const { status } = yield* ask({ path: "/public/auth", body, from })
    return status
  })

  it.effect("limits machines that were never seen by source and in all, and says when to come back", () =>
    Effect.gen(function*() {
      const { ask, rows } = yield* TestApi
      const fresh = (from: string) => statusFrom(from, softwareTpm().request)
      const three = [yield* fresh("192.0.2.1"), yield* fresh("192.0.2.1"), yield* fresh("192.0.2.1")]
      assert.deepStrictEqual(three, [401, 401, 401])
      const before = yield* rows
      const refused = yield* ask({ path: "/public/auth", body: softwareTpm().request, from: "192.0.2.1" })
      assert.deepInclude(refused, { status: 429, retryAfter: "20" })
      assert.include(refused.text, "urn:patela:problem:too-many-requests")
      assert.strictEqual(yield* rows, before)
      for (const from of ["2001:db8::1", "2001:db8::2", "2001:db8::3"]) assert.strictEqual(yield* fresh(from), 401)
      assert.strictEqual(yield* fresh("2001:db8::4"), 429, "one /64 is one source")
      assert.deepStrictEqual([yield* fresh("192.0.2.2"), yield* fresh("192.0.2.3")], [401, 401])
      assert.strictEqual(yield* fresh("192.0.2.4"), 429, "in all")
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual(yield* fresh("192.0.2.1"), 401)
    }).pipe(Effect.provide(testApi(limited))))

  it.effect("lets who is known in while the unknown are refused, and limits each node by where it asks from", () =>
    Effect.gen(function*() {
      const { request } = softwareTpm()
      yield* statusFrom("192.0.2.1", request)
      yield* (yield* Administration).setEnabled("test", node1, true)
      for (let count = 0; count < 5; count++) yield* statusFrom("192.0.2.1", softwareTpm().request)
      const asked: Array<number> = []
      for (let count = 0; count < 6; count++) asked.push(yield* statusFrom("192.0.2.1", request))
      assert.deepStrictEqual(asked, [201, 201, 201, 201, 201, 429])
      assert.strictEqual(yield* statusFrom("192.0.2.9", request), 201, "whoever copies its keys takes nothing from it")
    }).pipe(Effect.provide(testApi(limited))))
})

describe("the waiting list that is full", () => {
  it.effect("makes room of machines that no longer ask and proved nothing, in ten minutes", () =>
    Effect.gen(function*() {
      const { request } = softwareTpm()
      assert.strictEqual(
        (yield* (yield* TestApi).ask({ path: "/public/auth", body: softwareTpm().request })).status,
        401
      )
      const full = yield* (yield* TestApi).ask({ path: "/public/auth", body: request })
      assert.deepInclude(full, { status: 429, retryAfter: "60" })
      assert.include(full.text, "waiting-list-full")
      yield* TestClock.adjust("10 minutes")
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* (yield* TestApi).ask({ path: "/public/auth", body: request })).status, 401)
    }).pipe(Effect.provide(testApi({ ...poolVariables, PATELA_WAITING_LIST: "1" }))))
})
