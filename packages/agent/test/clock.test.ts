import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Schema } from "effect"
import { TestClock } from "effect/testing"
import { memoryInput } from "./MemoryKinds.ts"
import { makeWatchRig } from "./WatchRig.ts"

const configOf = (toma: string, robiola: string) => memoryInput([["toma", toma], ["robiola", robiola]]).config

const DAY = 86_400_000

/** A wall clock that can be set, above the time that passes, which only the test moves. */
const settable = (clock: Clock.Clock) => {
  const state = { offset: 0 }
  const wall: Clock.Clock = {
    currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() + state.offset,
    currentTimeMillis: Effect.map(clock.currentTimeMillis, (millis) => millis + state.offset),
    currentTimeNanosUnsafe: () => clock.currentTimeNanosUnsafe() + BigInt(state.offset) * 1_000_000n,
    currentTimeNanos: Effect.map(clock.currentTimeNanos, (nanos) => nanos + BigInt(state.offset) * 1_000_000n),
    monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
    monotonicTimeNanos: clock.monotonicTimeNanos,
    sleep: (duration) => clock.sleep(duration)
  }
  return { wall, set: (offset: number) => void (state.offset = offset) }
}

const Jumps = Schema.Array(Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: -DAY, maximum: DAY })))).pipe(
  Schema.check(Schema.isMinLength(1), Schema.isMaxLength(4))
)

describe("a watching agent", () => {
  it.effect.prop(
    "puts right what failed and what drifted within its minute, wherever the wall clock jumps, and does not spin",
    [Jumps],
    ([jumps]) =>
      Effect.gen(function*() {
        const { set, wall } = settable(yield* Clock.Clock)
        const rig = yield* makeWatchRig(configOf("a", "b"))
        yield* Effect.forkScoped(Effect.provideService(rig.run, Clock.Clock, wall))
        yield* TestClock.adjust("100 millis")
        for (const offset of jumps) {
          rig.host.broken.add("relay/toma/unit")
          rig.host.state.delete("relay/toma/unit")
          rig.host.state.set("relay/robiola/address", "theirs")
          yield* rig.say("unit", "look again")
          yield* rig.say("address", "look again")
          yield* TestClock.adjust("5 seconds")
          set(offset)
          rig.host.looks.length = 0
          yield* TestClock.adjust("70 seconds")
          const looks = rig.host.looks.filter((kind) => kind === "unit").length
          assert.isAtMost(looks, 30)
          rig.host.broken.clear()
          yield* TestClock.adjust("135 seconds")
          assert.strictEqual(rig.host.state.get("relay/toma/unit"), "a")
          assert.strictEqual(rig.host.state.get("relay/robiola/address"), "b")
          assert.strictEqual(rig.status?.verdict, "converged")
        }
      }).pipe(Effect.scoped),
    { arbitrary: { runs: 40 } }
  )

  it.effect("rests while what failed waits for something else that failed", () =>
    Effect.gen(function*() {
      const rig = yield* makeWatchRig(configOf("a", "b"))
      yield* Effect.forkScoped(rig.run)
      yield* TestClock.adjust("100 millis")
      for (const kind of ["unit", "address"]) {
        rig.host.broken.add(`relay/toma/${kind}`)
        rig.host.state.delete(`relay/toma/${kind}`)
        yield* rig.say(kind, "look again")
        yield* TestClock.adjust("10 seconds")
      }
      rig.host.looks.length = 0
      yield* TestClock.adjust("60 seconds")
      assert.isAtMost(rig.host.looks.filter((kind) => kind === "unit").length, 20)
      rig.host.broken.clear()
      // First one may rest a minute and a tenth, and then the other.
      yield* TestClock.adjust("135 seconds")
      assert.strictEqual(rig.status?.verdict, "converged")
    }))

  it.effect("rests while what is contended fails or waits", () =>
    Effect.gen(function*() {
      for (const broken of ["relay/toma/unit", "relay/toma/address"]) {
        const rig = yield* makeWatchRig(configOf("a", "b"))
        yield* Effect.forkScoped(rig.run)
        yield* TestClock.adjust("100 millis")
        for (let count = 0; count < 6; count++) {
          rig.host.state.set("relay/toma/unit", "theirs")
          yield* rig.say("unit", "look again")
          yield* TestClock.adjust("200 millis")
        }
        assert.deepStrictEqual(rig.status?.contended, ["relay/toma/unit"])
        rig.host.broken.add(broken)
        rig.host.state.delete(broken)
        yield* rig.say("address", "look again")
        yield* TestClock.adjust("65 seconds")
        rig.host.looks.length = 0
        yield* TestClock.adjust("60 seconds")
        assert.isAtMost(rig.host.looks.filter((kind) => kind === "unit").length, 20, broken)
      }
    }).pipe(Effect.scoped))
})
