import { assert, describe, it } from "@effect/vitest"
import { converge as convergeFrom } from "@patela/agent/converge/Converge"
import { admitAll, type Hold } from "@patela/agent/converge/Hold"
import { look } from "@patela/agent/converge/Look"
import { plan } from "@patela/agent/converge/Plan"
import { troubleOf, troublesOf } from "@patela/agent/converge/Trouble"
import { verdictOf } from "@patela/agent/converge/Verdict"
import { pruneGuard } from "@patela/agent/pass/PruneGuard"
import type { ChangeView } from "@patela/domain/reconciler/Change"
import type { DesiredInput, Kind } from "@patela/domain/reconciler/Kind"
import type { Outcome } from "@patela/domain/reconciler/Outcome"
import { Effect, Exit, Fiber, Schema } from "effect"
import { TestClock } from "effect/testing"
import { type MemoryHost, memoryHost, memoryInput, memoryKind, reachable } from "./MemoryKinds.ts"

const NAMES = ["toma", "robiola", "castelmagno", "raschera"]
const KINDS = ["account", "torrc", "address", "unit"]
const NEEDS: Readonly<Record<string, ReadonlyArray<string>>> = {
  account: [],
  torrc: ["account"],
  address: [],
  unit: ["torrc", "address"]
}

const kindsOf = (host: MemoryHost) => KINDS.map((name) => memoryKind(host, name, NEEDS[name] ?? []))

const Values = Schema.Array(Schema.Literals(["a", "b", "c"])).pipe(
  Schema.check(Schema.isMinLength(1), Schema.isMaxLength(NAMES.length))
)
const Places = Schema.Array(Schema.Struct({
  name: Schema.Literals(["toma", "robiola", "castelmagno", "raschera"]),
  kind: Schema.Literals(["account", "torrc", "address", "unit"])
})).pipe(Schema.check(Schema.isMaxLength(5)))
const Lives = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 20 })))

/** A kind that takes a second for each change of a batch. */
const slow = (kind: Kind<never, never>): Kind<never, never> => ({
  ...kind,
  plan: (input) =>
    Effect.map(kind.plan(input), (plan) => ({
      ...plan,
      apply: Effect.fnUntraced(function*(admitted: (change: ChangeView) => boolean) {
        const outcomes = new Map<string, Outcome>()
        for (const change of plan.changes.filter(admitted)) {
          yield* Effect.sleep("1 second")
          for (const [address, outcome] of yield* plan.apply((each) => each === change)) outcomes.set(address, outcome)
        }
        return outcomes
      })
    }))
})

const inputOf = (values: ReadonlyArray<string>) =>
  memoryInput(values.map((value, index) => [NAMES[index] ?? "toma", value]))

/** A full pass, as the agent makes one. */
const converge = (kinds: ReadonlyArray<Kind<never, never>>, input: DesiredInput, hold: Hold = admitAll) =>
  Effect.flatMap(look(kinds, input, undefined), (first) => convergeFrom(first, input, hold)).pipe(
    Effect.provide(reachable)
  )

const verdict = (result: Effect.Success<ReturnType<typeof converge>>, input: DesiredInput) =>
  verdictOf(troublesOf(result), input.config.relays.map(({ name }) => name), result.rolledBack)

/** Everything that `address` needs, itself included. */
const closure = (name: string, kind: string): ReadonlyArray<string> => [
  `relay/${name}/${kind}`,
  ...(NEEDS[kind] ?? []).flatMap((need) => closure(name, need))
]

describe("converge", () => {
  it.effect.prop(
    "leaves nothing to do, and a second pass writes nothing",
    [Values, Values],
    ([first, second]) =>
      Effect.gen(function*() {
        const host = memoryHost()
        const kinds = kindsOf(host)
        yield* converge(kinds, inputOf(first))
        const result = yield* converge(kinds, inputOf(second))
        assert.deepStrictEqual(result.remaining, [])
        assert.strictEqual(verdict(result, inputOf(second)), "converged")
        assert.deepStrictEqual((yield* plan(kinds, inputOf(second))).changes, [])
        const writes = host.writes.length
        yield* converge(kinds, inputOf(second))
        assert.strictEqual(host.writes.length, writes)
      })
  )

  it.effect.prop(
    "a failure blocks what needs it and nothing else",
    [Values, Places],
    ([values, places]) =>
      Effect.gen(function*() {
        const host = memoryHost()
        for (const { kind, name } of places) host.broken.add(`relay/${name}/${kind}`)
        const input = inputOf(values)
        const result = yield* converge(kindsOf(host), input)
        for (const { name } of input.config.relays) {
          for (const kind of KINDS) {
            const possible = !closure(name, kind).some((address) => host.broken.has(address))
            assert.strictEqual(host.state.has(`relay/${name}/${kind}`), possible, `${name} ${kind}`)
          }
          const whole = KINDS.every((kind) => host.state.has(`relay/${name}/${kind}`))
          assert.strictEqual(troubleOf(troublesOf(result), name) === undefined, whole)
        }
      })
  )

  it.effect.prop(
    "killed after any write, the next pass converges",
    [Values, Values, Lives],
    ([first, second, lives]) =>
      Effect.gen(function*() {
        const host = memoryHost()
        const kinds = kindsOf(host)
        yield* converge(kinds, inputOf(first))
        host.lives = lives
        const exit = yield* Effect.exit(converge(kinds, inputOf(second)))
        host.lives = Number.POSITIVE_INFINITY
        const result = yield* converge(kinds, inputOf(second))
        assert.deepStrictEqual(result.remaining, [], Exit.isFailure(exit) ? "after a kill" : "without one")
        assert.deepStrictEqual(result.failures, [])
      })
  )

  it.effect("creates in the order of needs and removes in reverse", () =>
    Effect.gen(function*() {
      const host = memoryHost()
      const kinds = kindsOf(host)
      yield* converge(kinds, memoryInput([["toma", "a"], ["robiola", "a"]]))
      host.writes.length = 0
      yield* converge(kinds, memoryInput([["toma", "a"]]))
      assert.deepStrictEqual(host.writes, KINDS.toReversed().map((kind) => `remove relay/robiola/${kind}`))
    }))

  it.effect("a removal that fails keeps the rest of that relay, and only of that one", () =>
    Effect.gen(function*() {
      const host = memoryHost()
      const kinds = kindsOf(host)
      yield* converge(kinds, memoryInput([["toma", "a"], ["robiola", "a"], ["raschera", "a"]]))
      host.broken.add("relay/robiola/unit")
      const result = yield* converge(kinds, memoryInput([["toma", "a"]]))
      assert.deepStrictEqual([...host.state.keys()].filter((address) => address.includes("raschera")), [])
      assert.strictEqual([...host.state.keys()].filter((address) => address.includes("robiola")).length, KINDS.length)
      assert.deepStrictEqual(result.blocked.map(({ by }) => by), Array(3).fill("relay/robiola/unit"))
      assert.strictEqual(verdict(result, memoryInput([["toma", "a"]])), "partly")
    }))

  it.effect("that is stopped in the middle of a batch ends it, and begins no other", () =>
    Effect.gen(function*() {
      const host = memoryHost()
      const [account, torrc, ...others] = kindsOf(host)
      if (account === undefined || torrc === undefined) return assert.fail("there are four kinds")
      const running = yield* Effect.forkChild(converge([account, slow(torrc), ...others], inputOf(["a", "b", "c"])))
      yield* TestClock.adjust("1500 millis")
      const written = (kind: string) => host.writes.filter((line) => line.endsWith(`/${kind}`)).length
      assert.strictEqual(written("torrc"), 1)
      const stopped = yield* Effect.forkChild(Fiber.interrupt(running))
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(stopped)
      assert.deepStrictEqual(["account", "torrc", "address", "unit"].map(written), [3, 3, 0, 0])
      yield* converge(kindsOf(host), inputOf(["a", "b", "c"]))
      assert.strictEqual(host.state.size, 3 * KINDS.length)
    }))

  it.effect("prunes nothing on an empty configuration, and says so", () =>
    Effect.gen(function*() {
      const host = memoryHost()
      const kinds = kindsOf(host)
      yield* converge(kinds, memoryInput([["toma", "a"]]))
      const empty = memoryInput([])
      const { plan: { changes } } = yield* look(kinds, empty, undefined)
      const result = yield* converge(kinds, empty, pruneGuard(changes, empty.config, undefined))
      assert.strictEqual(host.state.size, KINDS.length)
      assert.strictEqual(result.remaining.length, KINDS.length)
      assert.strictEqual(verdict(result, empty), "failed")
    }))

  it.effect("what is not removed for a kind that could not be read for a moment says why", () =>
    Effect.gen(function*() {
      const host = memoryHost()
      const kinds = kindsOf(host)
      yield* converge(kinds, inputOf(["a", "a", "a"]))
      const input = inputOf(["a", "b"])
      host.unreadable.add("address")
      const first = yield* look(kinds, input, undefined)
      host.unreadable.clear()
      const result = yield* convergeFrom(first, input, admitAll).pipe(Effect.provide(reachable))
      const troubles = troublesOf(result)
      assert.isNotEmpty(troubles)
      for (const { kind, why } of troubles) if (kind !== "address") assert.include(why, "address cannot be read")
      assert.isTrue(host.state.has("relay/castelmagno/unit"), "nothing of it is removed")
      assert.deepStrictEqual(troublesOf(yield* converge(kinds, input)), [])
      assert.isFalse(host.state.has("relay/castelmagno/unit"))
    }))
})
