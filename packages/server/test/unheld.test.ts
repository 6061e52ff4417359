import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { poolV4, poolV6 } from "../src/allocate/AddressPool.ts"
import { leftBy } from "../src/allocate/Left.ts"
import { Unheld } from "../src/allocate/Unheld.ts"
import { everythingLeft } from "./rig/everythingLeft.ts"

const between = (minimum: number, maximum: number) =>
  Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum, maximum })))

const Steps = Schema.Array(Schema.Struct({ hold: between(0, 19), read: between(0, 6) })).pipe(
  Schema.check(Schema.isMaxLength(40))
)

const firstOf = <A>(count: number, values: Iterable<A>): ReadonlyArray<A> => {
  const found: Array<A> = []
  for (const value of values) {
    if (found.length === count) break
    found.push(value)
  }
  return found
}

describe("what nobody has", () => {
  it.prop("is what a look at everything finds, however much comes to be held and however far it was read", [
    Steps,
    between(0, 20)
  ], ([steps, length]) => {
    const values = Array.from({ length }, (_, value) => value)
    const held = new Set<number>()
    const unheld = new Unheld(values, (value) => held.has(value))
    for (const { hold, read } of steps) {
      held.add(hold)
      assert.deepStrictEqual(
        firstOf(read, unheld.read()),
        firstOf(read, values.filter((value) => !held.has(value)))
      )
    }
    assert.deepStrictEqual([...unheld.read()], values.filter((value) => !held.has(value)))
  })

  it.prop("may come to be held while it is read", [between(1, 20), between(1, 5)], ([length, each]) => {
    const held = new Set<number>()
    const unheld = new Unheld(Array.from({ length }, (_, value) => value), (value) => held.has(value))
    const given: Array<number> = []
    for (let turn = 0; turn < length; turn += 1) {
      const mine: Array<number> = []
      for (const value of unheld.read()) {
        mine.push(value)
        held.add(value)
        if (mine.length === each) break
      }
      given.push(...mine)
    }
    assert.deepStrictEqual(given, Array.from({ length }, (_, value) => value))
  })

  it("is not gone through again where it is held", () => {
    const held = new Set(Array.from({ length: 1000 }, (_, value) => value))
    let looks = 0
    const unheld = new Unheld(Array.from({ length: 2000 }, (_, value) => value), (value) => {
      looks += 1
      return held.has(value)
    })
    assert.deepStrictEqual(firstOf(3, unheld.read()), [1000, 1001, 1002])
    looks = 0
    for (let value = 1000; value < 1100; value += 1) {
      held.add(value)
      assert.deepStrictEqual(firstOf(1, unheld.read()), [value + 1])
    }
    assert.isBelow(looks, 1000)
  })

  it("of a pool is without what became reserved, and with it again", () => {
    const names = new Set<string>()
    const addresses = new Set(["192.0.2.1", "2001:db8::1"])
    const left = leftBy({ names, addresses })
    const pool = (reserved: ReadonlyArray<string>) => Result.getOrThrow(poolV4("192.0.2.1", 29, { reserved }))
    const v4 = (reserved: ReadonlyArray<string>) => [...left.v4(pool(reserved))].map(String)
    assert.deepStrictEqual(v4([]), ["192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5", "192.0.2.6"])
    assert.deepStrictEqual(v4(["192.0.2.3"]), ["192.0.2.2", "192.0.2.4", "192.0.2.5", "192.0.2.6"])
    assert.deepStrictEqual(v4([]), ["192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5", "192.0.2.6"])
    assert.strictEqual(firstOf(1, left.v6(Result.getOrThrow(poolV6("2001:db8::1", 64))))[0] as string, "2001:db8::2")
    const [first, second] = firstOf(2, everythingLeft.names())
    assert.strictEqual(firstOf(1, left.names())[0], first)
    names.add(first ?? "")
    assert.strictEqual(firstOf(1, left.names())[0], second)
  })
})
