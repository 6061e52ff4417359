import { assert, describe, it } from "@effect/vitest"
import { converge } from "@patela/agent/converge/Converge"
import { admitAll } from "@patela/agent/converge/Hold"
import { look } from "@patela/agent/converge/Look"
import { troublesOf } from "@patela/agent/converge/Trouble"
import { verdictOf } from "@patela/agent/converge/Verdict"
import { ServerProbe, ServerUnreachable } from "@patela/agent/host/ServerProbe"
import type { DesiredInput, Kind } from "@patela/domain/reconciler/Kind"
import { Effect, Layer, Schema } from "effect"
import { type MemoryHost, memoryHost, memoryInput, memoryKind, trialInMemory } from "./MemoryKinds.ts"

const kindsOf = (host: MemoryHost): ReadonlyArray<Kind<never, never>> => [
  memoryKind(host, "account", []),
  memoryKind(host, "address", [], { watch: noEvents, network: true }),
  memoryKind(host, "route", ["address"], { watch: noEvents, network: true }),
  memoryKind(host, "unit", ["account", "route"])
]
const { watch: noEvents } = memoryKind(memoryHost(), "any", [])

const gone = Effect.fail(new ServerUnreachable({ message: "no new connection" }))

/** A server that is within reach exactly while no address of the host has the value `cut`. */
const reachedBy = (host: MemoryHost, isUp = true) => {
  const ask = Effect.suspend(() =>
    isUp && ![...host.state].some(([address, value]) => address.endsWith("/address") && value === "cut")
      ? Effect.void
      : gone
  )
  return Layer.merge(Layer.succeed(ServerProbe, { connect: ask, persist: ask }), trialInMemory())
}

const pass = (host: MemoryHost, input: DesiredInput, isUp = true) =>
  Effect.flatMap(look(kindsOf(host), input, undefined), (first) => converge(first, input, admitAll)).pipe(
    Effect.provide(reachedBy(host, isUp))
  )

const Value = Schema.Literals(["a", "b", "cut"])
const Values = Schema.Tuple([Value, Value, Value])
const inputOf = (values: typeof Values.Type): DesiredInput =>
  memoryInput(values.map((value, index) => [["toma", "robiola", "bra"][index] ?? "", value] as const))

const networkOf = (host: MemoryHost) => [...host.state].filter(([address]) => /(?:address|route)$/.test(address)).sort()

describe("a network change", () => {
  it.effect.prop(
    "that cuts the node off is taken back whole, no unit waits in vain for it, and the server stays within reach",
    [Values, Values],
    ([first, second]) =>
      Effect.gen(function*() {
        const host = memoryHost()
        const safe = first.map((value) => value === "cut" ? "a" : value)
        yield* pass(host, inputOf(Schema.decodeUnknownSync(Values)(safe)))
        const before = networkOf(host)
        const result = yield* pass(host, inputOf(second))
        const cuts = second.includes("cut")
        assert.strictEqual(result.rolledBack !== undefined, cuts)
        assert.strictEqual(verdictOf(troublesOf(result), [], result.rolledBack) === "rolled back", cuts)
        yield* Effect.flatMap(ServerProbe, ({ connect }) => connect).pipe(Effect.provide(reachedBy(host)))
        if (cuts) {
          assert.deepStrictEqual(networkOf(host), before)
          assert.isFalse(result.changes.some(({ kind }) => kind === "address" || kind === "route"))
          for (const { address, kind, why } of troublesOf(result)) {
            if (kind === "route" || kind === "address") assert.match(why, /taken back.*no new connection/, address)
          }
        } else assert.deepStrictEqual(result.remaining, [])
      })
  )

  it.effect("is not on trial where the server was away before it", () =>
    Effect.gen(function*() {
      const host = memoryHost()
      const result = yield* pass(host, inputOf(["a", "b", "a"]), false)
      assert.isUndefined(result.rolledBack)
      assert.deepStrictEqual(result.remaining, [])
    }))

  it.effect("is not on trial where it only puts back what was there", () =>
    Effect.gen(function*() {
      const host = memoryHost()
      const input = inputOf(["a", "b", "a"])
      yield* pass(host, input)
      host.state.delete("relay/toma/address")
      let asked = 0
      const counting = Layer.succeed(ServerProbe, {
        connect: Effect.sync(() => void asked++),
        persist: Effect.sync(() => void asked++)
      })
      const known: DesiredInput = { ...input, configIsNew: false }
      const result = yield* Effect.flatMap(
        look(kindsOf(host), known, new Set(["address"])),
        (first) => converge(first, known, admitAll)
      ).pipe(Effect.provide([counting, trialInMemory()]))
      assert.deepStrictEqual(result.changes.map(({ address }) => address), ["relay/toma/address"])
      assert.strictEqual(asked, 0)
    }))

  it.effect("whose taking back fails says so, and never that all is as it was", () =>
    Effect.gen(function*() {
      const host = memoryHost()
      const [account, address, route, unit] = kindsOf(host)
      if (account === undefined || address === undefined || route === undefined || unit === undefined) return
      const broken: Kind<never, never> = {
        ...address,
        checkpoint: () => Effect.succeed(Effect.succeed({ done: false, message: "the kernel said no" }))
      }
      const input = inputOf(["cut", "a", "a"])
      const first = yield* look([account, broken, route, unit], input, undefined)
      const result = yield* Effect.provide(converge(first, input, admitAll), reachedBy(host))
      assert.deepStrictEqual(result.rolledBack?.left, ["address: the kernel said no"])
      assert.isTrue(
        troublesOf(result).some(({ why }) => /not everything could be put back: address: the kernel said no/.test(why))
      )
      assert.isFalse([...host.state.keys()].some((each) => each.endsWith("/unit")))
    }))
})

describe("a look", () => {
  const settled = Effect.gen(function*() {
    const host = memoryHost()
    const input: DesiredInput = { ...inputOf(["a", "b", "a"]), configIsNew: false }
    yield* pass(host, input)
    host.looks.length = 0
    return { host, input }
  })

  it.effect("at one kind that is in sync is a look at that kind alone", () =>
    Effect.gen(function*() {
      const { host, input } = yield* settled
      yield* look(kindsOf(host), input, new Set(["unit"]))
      assert.deepStrictEqual(host.looks, ["unit"])
    }))

  it.effect("at a unit that is to start is a look at all that it needs, whatever was seen of that before", () =>
    Effect.gen(function*() {
      const { host, input } = yield* settled
      host.state.delete("relay/toma/unit")
      const seen = yield* look(kindsOf(host), input, new Set(["unit"]))
      assert.deepStrictEqual(seen.kinds.map(({ kind }) => kind), ["account", "route", "unit"])
      assert.deepStrictEqual([...host.looks].sort(), ["account", "route", "unit"])
    }))

  it.effect("at a removal is a look at everything", () =>
    Effect.gen(function*() {
      const { host, input } = yield* settled
      host.state.set("relay/gone/unit", "a")
      const seen = yield* look(kindsOf(host), input, new Set(["unit"]))
      assert.isTrue(seen.full)
    }))

  it.effect("that cannot read one kind removes nothing: what it has may be in use", () =>
    Effect.gen(function*() {
      const { host, input } = yield* settled
      host.state.set("relay/gone/account", "a")
      host.unreadable.add("unit")
      const first = yield* look(kindsOf(host), input, undefined)
      const result = yield* Effect.provide(converge(first, input, admitAll), reachedBy(host))
      assert.isTrue(host.state.has("relay/gone/account"))
      const trouble = troublesOf(result).find(({ address }) => address === "relay/gone/account")
      assert.match(trouble?.why ?? "", /waits for.*unit cannot be read/)
    }))
})
