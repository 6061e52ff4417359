import { assert, describe, it } from "@effect/vitest"
import { watchOverflows } from "@patela/agent/metrics/AgentMetrics"
import type { NodeConfig } from "@patela/domain/node/NodeConfig"
import { RelayName } from "@patela/domain/relay/RelayName"
import { SignOfLife } from "@patela/reconcilers/host/SignOfLife"
import { Duration, Effect, Metric } from "effect"
import { TestClock } from "effect/testing"
import { memoryInput } from "./MemoryKinds.ts"
import { makeWatchRig } from "./WatchRig.ts"

const configOf = (...values: ReadonlyArray<string>): NodeConfig =>
  memoryInput(values.map((value, index) => [["toma", "robiola", "bra"][index] ?? "", value] as const)).config

/** A watching agent that has made its first pass. */
const watching = Effect.fnUntraced(function*(config: NodeConfig = configOf("a", "b")) {
  const rig = yield* makeWatchRig(config)
  yield* Effect.forkScoped(rig.run)
  yield* TestClock.adjust("1 second")
  rig.host.looks.length = 0
  rig.host.writes.length = 0
  return rig
})

describe("a watching agent", () => {
  it.effect("says that it is ready once it looked at everything and brought it about", () =>
    Effect.gen(function*() {
      const rig = yield* makeWatchRig(configOf("a", "b"))
      yield* Effect.forkScoped(rig.run)
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(rig.notified, ["STATUS=converged: 2 relays", "READY=1"])
      assert.strictEqual(rig.host.state.size, 6)
      assert.strictEqual(rig.status?.verdict, "converged")
      assert.strictEqual(rig.reports.length, 1)
    }))

  it.effect("after an event looks at that kind alone, once for a thousand events, and takes no lock for nothing", () =>
    Effect.gen(function*() {
      const rig = yield* watching()
      const { locks } = rig
      for (let count = 0; count < 1000; count++) yield* rig.say("address", "look again")
      yield* TestClock.adjust("30 millis")
      assert.deepStrictEqual(rig.host.looks, ["address"])
      assert.strictEqual(rig.locks, locks)
    }))

  it.effect("puts drift right within its debounce, and tells the journal, the status and the server", () =>
    Effect.gen(function*() {
      const rig = yield* watching()
      rig.host.state.set("relay/toma/address", "wrong")
      yield* rig.say("address", "look again")
      yield* TestClock.adjust("10 millis")
      assert.strictEqual(rig.host.state.get("relay/toma/address"), "a")
      assert.include(rig.log, "Info updated relay/toma/address (drift)")
      assert.deepStrictEqual(rig.status?.last_change?.changes, ["updated relay/toma/address (drift)"])
      assert.strictEqual(rig.reports.length, 2)
    }))

  it.effect("does not look again for what it did itself, as it has looked at that already", () =>
    Effect.gen(function*() {
      const rig = yield* watching()
      // As a kernel tells each change, whoever makes it.
      rig.meanwhile = (kind) => Effect.andThen(rig.say(kind, "look again"), Effect.sleep("1 millis"))
      rig.host.state.set("relay/toma/address", "wrong")
      yield* rig.say("address", "look again")
      yield* TestClock.adjust("1 second")
      assert.strictEqual(rig.host.state.get("relay/toma/address"), "a")
      assert.deepStrictEqual(rig.host.looks, ["address", "address", "address"], "before, after, and when all is done")
      // A unit that cannot start: the try is an event as well.
      rig.host.looks.length = 0
      rig.host.broken.add("relay/toma/unit")
      rig.host.state.delete("relay/toma/unit")
      yield* rig.say("unit", "look again")
      yield* TestClock.adjust("300 millis")
      assert.deepStrictEqual(rig.host.looks.filter((kind) => kind === "unit"), ["unit", "unit"])
    }))

  it.effect("looks again for what others did while it was at work, whether its own work came to anything or not", () =>
    Effect.gen(function*() {
      for (const broken of [true, false]) {
        const rig = yield* watching()
        rig.meanwhile = (kind) => {
          rig.meanwhile = () => Effect.void
          rig.host.state.delete("relay/robiola/unit")
          return Effect.andThen(rig.say(kind, "look again"), Effect.sleep("1 millis"))
        }
        if (broken) rig.host.broken.add("relay/toma/unit")
        rig.host.state.delete("relay/toma/unit")
        yield* rig.say("unit", "look again")
        yield* TestClock.adjust("400 millis")
        assert.strictEqual(rig.host.state.get("relay/robiola/unit"), "b", `broken: ${broken}`)
      }
    }))

  it.effect("looks at nothing while nothing happens, and at everything once a minute, give or take a tenth", () =>
    Effect.gen(function*() {
      const rig = yield* watching()
      yield* TestClock.adjust("52 seconds")
      assert.deepStrictEqual(rig.host.looks, [])
      yield* TestClock.adjust("14 seconds")
      assert.deepStrictEqual([...rig.host.looks].sort(), ["account", "address", "unit"])
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(rig.host.writes, [])
      assert.isAtMost(rig.log.filter((line) => !line.startsWith("Debug")).length, 8, rig.log.join("\n"))
      assert.strictEqual(rig.reports.length, 1, "the steady state reports nothing")
    }))

  it.effect("tells systemd's watchdog twice in its time that it lives, and no more once it has hung for ten minutes", () =>
    Effect.gen(function*() {
      const rig = yield* makeWatchRig(configOf("a", "b"), Duration.seconds(60))
      const signs = () => rig.notified.filter((line) => line === "WATCHDOG=1").length
      yield* Effect.forkScoped(rig.run)
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual(signs(), 10)
      rig.host.stuck.add("address")
      yield* TestClock.adjust("13 minutes")
      const last = signs()
      assert.isAbove(last, 20)
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(signs(), last)
    }))

  it.effect("is not taken to hang by the watchdog while a pass restarts many relays, each of which is a sign of life", () =>
    Effect.gen(function*() {
      const rig = yield* makeWatchRig(configOf("a", "b"), Duration.seconds(60))
      const signs = () => rig.notified.filter((line) => line === "WATCHDOG=1").length
      let restarted = 0
      rig.meanwhile = (kind) =>
        Effect.gen(function*() {
          if (kind !== "unit") return
          for (; restarted < 64; restarted += 1) {
            yield* yield* SignOfLife
            yield* Effect.sleep("30 seconds")
          }
        })
      yield* Effect.forkScoped(rig.run)
      yield* TestClock.adjust("40 minutes")
      assert.deepStrictEqual([restarted, signs()], [64, 80])
    }))

  it.effect("looks at everything when events were lost, and counts that", () =>
    Effect.gen(function*() {
      const rig = yield* watching()
      const lost = Effect.map(Metric.value(watchOverflows("address")), ({ count }) => Number(count))
      const before = yield* lost
      yield* rig.say("address", "events lost")
      yield* TestClock.adjust("30 millis")
      assert.strictEqual((yield* lost) - before, 1)
      assert.deepStrictEqual([...rig.host.looks].sort(), ["account", "address", "unit"])
    }))

  it.effect("looks at everything when a watcher dies, opens it again, and warns once", () =>
    Effect.gen(function*() {
      const rig = yield* watching()
      yield* rig.say("address", "die")
      yield* TestClock.adjust("30 millis")
      assert.deepStrictEqual([...rig.host.looks].sort(), ["account", "address", "unit"])
      yield* rig.say("address", "die")
      yield* TestClock.adjust("3 seconds")
      yield* rig.say("address", "die")
      yield* TestClock.adjust("5 seconds")
      rig.host.looks.length = 0
      yield* rig.say("address", "look again")
      yield* TestClock.adjust("10 seconds")
      assert.include(rig.host.looks, "address")
      assert.strictEqual(rig.log.filter((line) => line.startsWith("Warn")).length, 1, rig.log.join("\n"))
    }))

  it.effect("tries what fails after 0.5 s, then ever later, and at once with a new configuration", () =>
    Effect.gen(function*() {
      const rig = yield* watching()
      const attempts = () => rig.host.looks.filter((kind) => kind === "unit").length
      rig.host.broken.add("relay/toma/unit")
      rig.host.state.delete("relay/toma/unit")
      yield* rig.say("unit", "look again")
      yield* TestClock.adjust("25 millis")
      assert.strictEqual(rig.status?.verdict, "partly")
      const errors = () => rig.log.filter((line) => line.startsWith("Error")).length
      assert.strictEqual(errors(), 1)
      rig.host.looks.length = 0
      yield* TestClock.adjust("10 seconds")
      // 0.5, 1, 2, 4 s and so on, each give or take a fifth.
      assert.isAtMost(attempts(), 12)
      assert.isAtLeast(attempts(), 4)
      assert.strictEqual(errors(), 1, "the same trouble is said once")
      rig.host.broken.clear()
      rig.server = configOf("c", "b")
      yield* rig.announce
      yield* TestClock.adjust("200 millis")
      assert.strictEqual(rig.host.state.get("relay/toma/unit"), "c")
      assert.strictEqual(rig.status?.verdict, "converged")
    }))

  it.effect("slows down on what something else keeps changing, and warns of it once", () =>
    Effect.gen(function*() {
      const rig = yield* watching()
      for (let count = 0; count < 12; count++) {
        rig.host.state.set("relay/toma/address", "theirs")
        yield* rig.say("address", "look again")
        yield* TestClock.adjust("200 millis")
      }
      assert.strictEqual(rig.host.writes.length, 5)
      assert.deepStrictEqual(rig.status?.contended, ["relay/toma/address"])
      assert.strictEqual(rig.log.filter((line) => /is contended: something keeps/.test(line)).length, 1)
      yield* TestClock.adjust("61 seconds")
      assert.strictEqual(rig.host.state.get("relay/toma/address"), "a", "it is corrected once a minute")
      yield* TestClock.adjust("12 minutes")
      assert.deepStrictEqual(rig.status?.contended, [])
    }))

  it.effect("enforces the last configuration while the server is away, and says that once", () =>
    Effect.gen(function*() {
      const rig = yield* watching()
      rig.server = undefined
      yield* TestClock.adjust("10 minutes")
      rig.host.state.delete("relay/robiola/address")
      yield* rig.say("address", "look again")
      yield* TestClock.adjust("10 millis")
      assert.strictEqual(rig.host.state.get("relay/robiola/address"), "b")
      yield* TestClock.adjust("10 minutes")
      const warnings = rig.log.filter((line) => line.startsWith("Warn"))
      assert.strictEqual(warnings.length, 2, warnings.join("\n"))
      rig.server = configOf("a", "c")
      yield* TestClock.adjust("70 seconds")
      assert.strictEqual(rig.host.state.get("relay/robiola/address"), "c")
      assert.include(rig.log, "Info the server answers again")
      assert.strictEqual(rig.reports.at(-1)?.generation, 1)
    }))

  it.effect("takes back a configuration that cuts it off, enforces the one before, and tries the bad one no more", () =>
    Effect.gen(function*() {
      const rig = yield* watching()
      rig.server = configOf("a", "cut")
      yield* rig.announce
      yield* TestClock.adjust("1 second")
      assert.strictEqual(rig.host.state.get("relay/robiola/address"), "b")
      assert.strictEqual(rig.host.state.get("relay/robiola/unit"), "b")
      assert.strictEqual(rig.status?.verdict, "rolled back")
      assert.match(rig.reports.at(-1)?.rolled_back ?? "", /no new connection/)
      rig.host.writes.length = 0
      yield* TestClock.adjust("10 minutes")
      assert.deepStrictEqual(rig.host.writes, [])
      rig.server = configOf("a", "c")
      yield* TestClock.adjust("70 seconds")
      assert.strictEqual(rig.host.state.get("relay/robiola/unit"), "c")
      assert.strictEqual(rig.status?.verdict, "converged")
      assert.isNull(rig.reports.at(-1)?.rolled_back)
    }))

  it.effect("lets a relay go that a person took off, and holds what looks like a mistake", () =>
    Effect.gen(function*() {
      const rig = yield* watching(configOf("a", "b", "c"))
      rig.server = { ...configOf("a", "b"), removed: [RelayName.make("bra")] }
      yield* rig.announce
      yield* TestClock.adjust("1 second")
      assert.isFalse(rig.host.state.has("relay/bra/unit"))
      rig.server = configOf()
      yield* rig.announce
      yield* TestClock.adjust("1 second")
      assert.strictEqual(rig.host.state.size, 6)
      assert.isTrue(rig.log.some((line) => /no relay at all/.test(line)))
    }))
})
