import { assert, describe, it } from "@effect/vitest"
import { RelayName } from "@patela/domain/relay/RelayName"
import { Clock, Effect, Fiber, Layer, Schema } from "effect"
import { TestClock } from "effect/testing"
import { SignOfLife } from "../src/host/SignOfLife.ts"
import { BootstrapReader } from "../src/units/BootstrapReader.ts"
import { restartInTurn } from "../src/units/restartInTurn.ts"

const NAMES = ["brie", "toma", "fontina", "asiago", "feta", "gouda", "edam", "taleggio"].map((name) =>
  RelayName.make(name)
)

/** Seconds that each takes to restart, and then to be bootstrapped; null where it never is. */
const Relay = Schema.Struct({
  before: Schema.Boolean,
  restart: Schema.Literals([1, 30]),
  back: Schema.NullOr(Schema.Literals([0, 5, 59, 61])),
  well: Schema.Boolean
})
const Relays = Schema.Array(Relay).pipe(Schema.check(Schema.isMaxLength(NAMES.length)))

/** Runs it to its end: when each was taken down, and when each is bootstrapped again, in seconds. */
const run = Effect.fnUntraced(function*(relays: typeof Relays.Type) {
  const down = new Map<RelayName, number>()
  const back = new Map<RelayName, number>()
  let signs = 0
  const seconds = Effect.map(Clock.currentTimeMillis, (millis) => millis / 1000)
  const named = relays.flatMap((relay, at) => {
    const name = NAMES[at]
    return name === undefined ? [] : [{ ...relay, name }]
  })
  const reader = Layer.succeed(BootstrapReader, {
    isBootstrapped: Effect.fnUntraced(function*(name: RelayName) {
      const relay = named.find((one) => one.name === name)
      if (!down.has(name)) return relay?.before === true
      return (yield* seconds) >= (back.get(name) ?? Number.POSITIVE_INFINITY)
    })
  })
  const began = yield* seconds
  const working = yield* restartInTurn(named, ({ name, restart, back: takes, well }) =>
    Effect.gen(function*() {
      down.set(name, yield* seconds)
      yield* Effect.sleep(`${restart} seconds`)
      if (takes !== null && well) back.set(name, (yield* seconds) + takes)
      return well
    })).pipe(
      Effect.provide(reader),
      Effect.provideService(SignOfLife, Effect.sync(() => void (signs += 1))),
      Effect.andThen(seconds),
      Effect.forkChild
    )
  // More than all of them could take.
  yield* TestClock.adjust("30 minutes")
  return { named, down, back, signs, took: (yield* Fiber.join(working)) - began }
})

describe("relays that restart", () => {
  it.effect.prop(
    "law: each is restarted, in their order, and the next only when the one before is back or had its minute",
    [
      Relays
    ],
    ([relays]) =>
      Effect.gen(function*() {
        const { back, down, named, signs } = yield* run(relays)
        assert.deepStrictEqual([...down.keys()], named.map(({ name }) => name))
        assert.strictEqual(signs, named.length)
        let waited = 0
        for (const [at, { before, name, restart, well }] of named.entries()) {
          const next = named[at + 1]
          if (next === undefined) break
          const up = (down.get(name) ?? 0) + restart
          const gap = (down.get(next.name) ?? 0) - up
          waited += gap
          const takes = (back.get(name) ?? Number.POSITIVE_INFINITY) - up
          // Nobody waits for one that was of no use before, or that did not restart; for others no longer than a minute.
          if (!before || !well) assert.strictEqual(gap, 0)
          else if (waited < 300) assert.closeTo(gap, Math.min(takes, 60), 1)
        }
        assert.isAtMost(waited, 301)
      })
  )

  it.effect("law: a network that is gone delays them by five minutes at most", () =>
    Effect.gen(function*() {
      const lost = NAMES.map(() => ({ before: true, restart: 1, back: null, well: true }) as const)
      const { took } = yield* run(lost)
      assert.strictEqual(took, NAMES.length + 300)
      const alone = yield* run(lost.map((relay) => ({ ...relay, before: false })))
      assert.strictEqual(alone.took, NAMES.length, "nobody was there to begin with")
    }))
})
