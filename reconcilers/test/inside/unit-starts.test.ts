import { assert, describe, it } from "@effect/vitest"
import type { Outcome } from "@patela/domain/reconciler/Outcome"
import { Effect, Fiber } from "effect"
import { readFileSync } from "node:fs"
import { Units } from "../../src/units/Units.ts"
import { converge, differing, inputFor, makeInstance, run, show, withInstances, writeTorrc } from "./UnitHost.ts"

const messageOf = (outcome: Outcome | undefined): string => outcome?.done === false ? outcome.message : "done"

const pass = Effect.fnUntraced(function*(...names: ReadonlyArray<string>) {
  const { outcomes } = yield* converge(inputFor(...names))
  return messageOf(outcomes.get("relay/quark/unit"))
})

describe("a unit that cannot start", () => {
  it.live("runs into systemd's limit and is reported with it, until its torrc changes", () =>
    withInstances(
      ["quark"],
      Effect.gen(function*() {
        run("ip", "link", "set", "lo", "up")
        makeInstance("quark", 9201, "Bogus 1")
        // systemd tries again by itself (Restart=on-failure) until five starts in ten seconds are spent.
        const messages: Array<string> = []
        for (let tries = 0; tries < 20 && !messages.some((each) => each.includes("start-limit-hit")); tries++) {
          messages.push(yield* pass("quark"))
          yield* Effect.sleep("200 millis")
        }
        assert.match(messages[0] ?? "", /the start ended with "failed".*journalctl -u tor@quark/)
        assert.match(messages.at(-1) ?? "", /start-limit-hit/)
        assert.strictEqual(show("quark", "ActiveState"), "failed")
        assert.deepStrictEqual((yield* differing(inputFor("quark"))).map((line) => line.split(":")[0]), [
          "update relay/quark/unit"
        ])
        const ledger = readFileSync("/run/patela/units.json", "utf8")
        assert.match(yield* pass("quark"), /start-limit-hit/)
        assert.strictEqual(readFileSync("/run/patela/units.json", "utf8"), ledger)

        writeTorrc("quark", 9201)
        assert.strictEqual(yield* pass("quark"), "done")
        assert.strictEqual(show("quark", "ActiveState"), "active")
        assert.deepStrictEqual(yield* differing(inputFor("quark")), [])
      })
    ), 120_000)
})

describe("a relay that is removed and wanted again", () => {
  it.live("starts anew once the old one has stopped, which a removal waits for", () =>
    withInstances(
      ["quark"],
      Effect.gen(function*() {
        makeInstance("quark", 9201, "ShutdownWaitLength 4")
        assert.strictEqual(yield* pass("quark"), "done")
        const old = show("quark", "MainPID")

        // Removed: when the pass is over, the unit is inactive.
        const began = Date.now()
        const removal = yield* Effect.forkChild(converge(inputFor()))
        yield* Effect.sleep("500 millis")
        assert.strictEqual(show("quark", "ActiveState"), "deactivating")
        yield* Fiber.join(removal)
        assert.isAtLeast(Date.now() - began, 3500)
        assert.strictEqual(show("quark", "ActiveState"), "inactive")
        assert.strictEqual(yield* pass("quark"), "done")
        assert.notStrictEqual(show("quark", "MainPID"), old)

        // Removed by an agent that is killed meanwhile, and wanted by the next one, with another torrc, while it stops.
        const second = show("quark", "MainPID")
        run("systemctl", "stop", "--no-block", "tor@quark")
        yield* Effect.sleep("500 millis")
        assert.strictEqual(show("quark", "ActiveState"), "deactivating")
        writeTorrc("quark", 9205)
        const again = Date.now()
        assert.strictEqual(yield* pass("quark"), "done")
        assert.isAtLeast(Date.now() - again, 2500, "it waited")
        assert.strictEqual(show("quark", "ActiveState"), "active")
        assert.notStrictEqual(show("quark", "MainPID"), second)
        assert.strictEqual(show("quark", "NRestarts"), "0")
        assert.include(run("ss", "-Hltn"), "127.0.0.1:9205")
        assert.deepStrictEqual(yield* differing(inputFor("quark")), [])
      })
    ), 120_000)
})

describe("relays that must restart", () => {
  it.live("do so one at a time", () =>
    withInstances(
      ["quark", "ricotta", "caprino"],
      Effect.gen(function*() {
        const names = ["quark", "ricotta", "caprino"]
        names.forEach((name, index) => makeInstance(name, 9201 + index))
        yield* converge(inputFor(...names))
        names.forEach((name, index) => writeTorrc(name, 9201 + index, `Nickname ${name}2`))
        let fewest = names.length
        const units = names.map((name) => `tor@${name}`)
        const watcher = yield* Effect.forkChild(Effect.forever(Effect.gen(function*() {
          const states = run("systemctl", "show", "-p", "ActiveState", "--value", ...units)
          fewest = Math.min(fewest, states.split("\n").filter((state) => state === "active").length)
          yield* Effect.sleep("20 millis")
        })))
        const plan = yield* Units.plan(inputFor(...names))
        const outcomes = yield* plan.apply(() => true)
        yield* Fiber.interrupt(watcher)
        assert.deepStrictEqual([...outcomes.values()], [{ done: true }, { done: true }, { done: true }])
        assert.strictEqual(fewest, names.length - 1)
      })
    ), 120_000)
})
