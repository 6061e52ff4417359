import { assert, describe, it } from "@effect/vitest"
import type { Outcome } from "@patela/domain/reconciler/Outcome"
import { Effect, Fiber } from "effect"
import { readFileSync } from "node:fs"
import { Units } from "../../src/units/Units.ts"
import { converge, differing, inputFor, makeInstance, run, show, withInstances, writeTorrc } from "./UnitHost.ts"

/** Waits until systemd says this of quark. */
const untilState = Effect.fnUntraced(function*(wanted: string) {
  for (let looks = 0; looks < 1000 && show("quark", "ActiveState") !== wanted; looks++) yield* Effect.sleep("10 millis")
  assert.strictEqual(show("quark", "ActiveState"), wanted)
})

/** When a unit was last active no more, and when it was so again; microseconds of the system's clock since boot. */
const lastAway = (name: string) => {
  const [from, until] = ["ActiveExitTimestampMonotonic", "ActiveEnterTimestampMonotonic"].map((it) =>
    Number(show(name, it))
  )
  return { from: from ?? Number.NaN, until: until ?? Number.NaN }
}

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
        yield* untilState("deactivating")
        yield* Fiber.join(removal)
        assert.isAtLeast(Date.now() - began, 3500)
        assert.strictEqual(show("quark", "ActiveState"), "inactive")
        assert.strictEqual(yield* pass("quark"), "done")
        assert.notStrictEqual(show("quark", "MainPID"), old)

        // Removed by an agent that is killed meanwhile, and wanted by the next one, with another torrc, while it stops.
        const second = show("quark", "MainPID")
        const again = Date.now()
        run("systemctl", "stop", "--no-block", "tor@quark")
        yield* untilState("deactivating")
        writeTorrc("quark", 9205)
        assert.strictEqual(yield* pass("quark"), "done")
        assert.isAtLeast(Date.now() - again, 3500, "it waited")
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
        const started = names.map((name) => lastAway(name).until)
        const plan = yield* Units.plan(inputFor(...names))
        const outcomes = yield* plan.apply(() => true)
        assert.deepStrictEqual([...outcomes.values()], [{ done: true }, { done: true }, { done: true }])
        const aways = names.map(lastAway)
        for (const [at, { from, until }] of aways.entries()) {
          assert.isAbove(from, started[at] ?? Number.NaN, "it was away")
          assert.isAbove(until, from)
        }
        const inTurn = aways.toSorted((one, other) => one.from - other.from)
        for (const [at, { from }] of inTurn.entries()) {
          const before = inTurn[at - 1]
          if (before !== undefined) assert.isAtLeast(from, before.until, "never two at once")
        }
      })
    ), 120_000)
})
