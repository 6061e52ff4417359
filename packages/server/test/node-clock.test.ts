import { assert, describe, it } from "@effect/vitest"
import { NodeId } from "@patela/domain/node/NodeId"
import { Effect, Schema } from "effect"
import { TestClock } from "effect/testing"
import { Allocator } from "../src/allocate/Allocator.ts"
import { clocksText } from "../src/commands/describe.ts"
import { nodeClockFinding } from "../src/doctor/nodeClockFinding.ts"
import { Administration } from "../src/nodes/Administration.ts"
import { CLOCK_TOLERANCE, clockStandingOf, differenceText } from "../src/nodes/clockStanding.ts"
import { NetworkAdministration } from "../src/settings/NetworkAdministration.ts"
import { enabledMany, network, node1, specs, tokenOf } from "./rig/Fleet.ts"
import { TestApi, testApi } from "./rig/TestApi.ts"

const Ahead = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: -200, maximum: 200 })))

const Fleet = Schema.Array(Schema.Struct({ enabled: Schema.Boolean, clock_ahead: Schema.NullOr(Ahead) })).pipe(
  Schema.check(Schema.isMaxLength(8))
)

describe("the clocks of nodes", () => {
  it.prop("law: are off where they differ by more than a minute, on whichever side", [Ahead], ([ahead]) => {
    const { state } = clockStandingOf(ahead)
    assert.strictEqual(state, Math.abs(ahead) > CLOCK_TOLERANCE ? "clock off" : "clock right")
    assert.strictEqual(clockStandingOf(-ahead).state, state)
    assert.include(differenceText(ahead), ahead < 0 ? "behind" : "ahead of")
  })

  it.prop("law: are what the doctor warns of, of the enabled nodes alone", [Fleet], ([fleet]) => {
    const nodes = fleet.map((node, at) => ({ ...node, id: NodeId.make(at + 1) }))
    const off = nodes.filter(({ clock_ahead, enabled }) => enabled && Math.abs(clock_ahead ?? 0) > CLOCK_TOLERANCE)
    const { level, message, advice } = nodeClockFinding(nodes)
    assert.strictEqual(level, off.length === 0 ? "fine" : "warning")
    for (const { id } of off) assert.include(message, `node ${id} (`)
    const known = nodes.filter(({ clock_ahead, enabled }) => enabled && clock_ahead !== null)
    // One cannot say which of two clocks is wrong; many that agree against one can.
    if (off.length > 1) assert.strictEqual(advice?.includes("server's own clock") ?? false, off.length === known.length)
  })

  it.prop("law: are flagged in a list, a line for each that is off", [Fleet], ([fleet]) => {
    const nodes = fleet.map(({ clock_ahead }, at) => ({ id: NodeId.make(at + 1), clock: clockStandingOf(clock_ahead) }))
    const off = nodes.filter(({ clock }) => clock.state === "clock off")
    const [text = ""] = clocksText(nodes)
    assert.strictEqual(text === "" ? 0 : text.split("\n").length, off.length)
    for (const { id, clock } of off) {
      assert.include(text, `that of node ${id} is ${differenceText(clock.ahead ?? 0)} the server's`)
    }
  })

  it.effect("are told with the hardware, and kept as the difference to the server's", () =>
    Effect.gen(function*() {
      yield* enabledMany(1)
      yield* (yield* NetworkAdministration).set("test", network)
      yield* TestClock.setTime(1_000_000_000)
      const { ask } = yield* TestApi
      const token = yield* tokenOf(node1)
      const ahead = Effect.map(Effect.flatMap(Administration, ({ node }) => node(node1)), (row) => row.clock_ahead)
      const say = (clock: unknown) => ask({ path: "/private/specs", token, body: { ...specs, clock } })
      assert.isNull(yield* ahead)
      for (const [millis, seconds] of [[0, 0], [499, 0], [-93_400, -93], [61_000, 61]] as const) {
        assert.strictEqual((yield* say(1_000_000_000 + millis)).status, 200)
        assert.strictEqual(yield* ahead, seconds)
      }
      // As far off as a clock can be; what is no time at all is refused, and changes nothing.
      assert.strictEqual((yield* say(-8.64e15)).status, 200)
      assert.strictEqual(yield* ahead, -8_640_001_000_000)
      for (const clock of [8.64e15 + 1, 1.5, "now", null]) assert.strictEqual((yield* say(clock)).status, 400)
      assert.strictEqual(yield* ahead, -8_640_001_000_000)
      yield* (yield* Allocator).allocate(yield* (yield* Administration).node(node1), specs)
      assert.strictEqual(yield* ahead, -8_640_001_000_000, "nobody asked the node")
      assert.strictEqual((yield* ask({ path: "/private/specs", token, body: specs })).status, 200)
      assert.isNull(yield* ahead, "an older agent's")
    }).pipe(Effect.provide(testApi())))
})
