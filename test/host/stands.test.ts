import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer, Schema } from "effect"
import { ToolFaults } from "../src/faults/ToolFaults.ts"
import { enabledMission } from "../src/mission/enabledMission.ts"
import { fault, type Mission } from "../src/mission/Mission.ts"
import { relaysOnRecord } from "../src/mission/RelayOnRecord.ts"
import { links } from "../src/rig/Addresses.ts"
import { found, instead, waitFor } from "../src/rig/Deadline.ts"

/** One mission, with the watch unit running; the tests of this file leave it as they found it. */
class Story extends Context.Service<Story, Mission>()("@patela/test/StandsStory") {
  static readonly layer = Layer.effect(
    Story,
    Effect.gen(function*() {
      const mission = yield* enabledMission(2, {})
      yield* ToolFaults.install(mission.node)
      yield* fault(mission.node.execOk(["systemctl", "start", WATCH], { within: "60 seconds" }))
      return mission
    })
  )
}

const WATCH = "patela-agent-watch.service"

const Status = Schema.fromJsonString(Schema.Struct({
  verdict: Schema.String,
  contended: Schema.Array(Schema.String),
  relays: Schema.Array(Schema.Struct({ name: Schema.String, state: Schema.String, why: Schema.NullOr(Schema.String) })),
  node: Schema.Array(Schema.String)
}))

const status = Effect.fnUntraced(function*() {
  const { stdout } = yield* (yield* Story).agent("status", "--json")
  return yield* Schema.decodeEffect(Status)(stdout)
})

/** Waits until the watching agent says that the node stands like this. */
const until = Effect.fnUntraced(function*(
  what: string,
  is: (status: typeof Status.Type) => boolean,
  seconds: number
) {
  return yield* waitFor(
    what,
    Effect.map(status(), (seen) => is(seen) ? found(seen) : instead(JSON.stringify(seen))),
    { within: `${seconds} seconds`, every: "300 millis" }
  )
})

const converged = (seconds: number) =>
  until("all to be as configured", ({ verdict }) => verdict === "converged", seconds)

/** The agent's own process, how often it was started anew, and milliseconds of processor time with what it ran. */
const watching = Effect.fnUntraced(function*() {
  const { node } = yield* Story
  const pid = (yield* node.execOk(["systemctl", "show", "--property=MainPID", "--value", WATCH])).trim()
  const restarts = (yield* node.execOk(["systemctl", "show", "--property=NRestarts", "--value", WATCH])).trim()
  // Fields 14 to 17 of proc_pid_stat(5), after the name in parentheses, in ticks of 10 ms.
  const stat = yield* node.execOk(["cat", `/proc/${pid}/stat`])
  const ticks = stat.slice(stat.lastIndexOf(")") + 2).split(" ").slice(11, 15).map(Number)
  return { pid, restarts, cpu: 10 * ticks.reduce((sum, count) => sum + count, 0) }
})

const journal = Effect.fnUntraced(function*() {
  const { node } = yield* Story
  return (yield* node.execOk(["journalctl", "--no-pager", "--output=cat", `--unit=${WATCH}`])).split("\n")
})

const unitIs = (unit: string) =>
  waitFor(
    `${unit} to be active`,
    Effect.gen(function*() {
      const state = (yield* (yield* Story).node.exec(["systemctl", "is-active", unit])).stdout.trim()
      return state === "active" ? found(undefined) : instead(state)
    }),
    { within: "40 seconds", every: "100 millis" }
  )

const names = Effect.fnUntraced(function*() {
  const [one, other] = yield* relaysOnRecord(yield* Story)
  if (one === undefined || other === undefined) return assert.fail("two relays")
  return [one, other] as const
})

layer(Story.layer, { excludeTestServices: true, timeout: 180_000 })("a watching agent", (it) => {
  it.effect("outlives a bus that is started anew, and hears again", () =>
    Effect.gen(function*() {
      const { node } = yield* Story
      const [one] = yield* names()
      const before = yield* watching()
      yield* node.execOk(["systemctl", "restart", "dbus.service"])
      // As long as a watcher is reopened after, and not so long as a full look would come anyway.
      yield* Effect.sleep("3 seconds")
      yield* node.exec(["systemctl", "stop", `tor@${one.name}`], { within: "60 seconds" })
      yield* unitIs(`tor@${one.name}`)
      yield* converged(20)
      const after = yield* watching()
      assert.deepStrictEqual([after.pid, after.restarts], [before.pid, before.restarts])
    }))

  it.effect("outlives tools that fail and hang, says so once, and puts right what was wrong", () =>
    Effect.gen(function*() {
      const { node } = yield* Story
      const before = yield* watching()
      const lines = (yield* journal()).length
      yield* ToolFaults.plan(node, [{ tool: "nft", call: 0, fault: "hang" }, { tool: "nft", call: "*", fault: "fail" }])
      yield* node.execOk(["/usr/sbin/nft", "delete", "table", "inet", "patela"])
      const trouble = yield* until("trouble with nft", ({ verdict }) => verdict !== "converged", 90)
      assert.match(JSON.stringify(trouble), /nft/)
      yield* Effect.sleep("5 seconds")
      yield* ToolFaults.clear(node)
      yield* converged(90)
      const said = (yield* journal()).slice(lines).filter((line) => /simulated trouble/.test(line))
      assert.isAtLeast(said.length, 1)
      // A line where the reason of a relay's trouble is another than before, not one a try.
      assert.isAtMost(said.length, 10, said.join("\n"))
      const after = yield* watching()
      assert.deepStrictEqual([after.pid, after.restarts], [before.pid, before.restarts])
    }))

  it.effect(
    "gives way to who fights for an address, says so once, and wins when the other has gone",
    () =>
      Effect.gen(function*() {
        const { node } = yield* Story
        const [one, other] = yield* names()
        const address = `relay/${one.name}/address-v4`
        const others = ["systemctl", "show", "--property=MainPID,InvocationID", `tor@${other.name}`] as const
        const unharmed = yield* node.execOk(others)
        const lines = (yield* journal()).length
        yield* Effect.scoped(Effect.gen(function*() {
          yield* node.start([
            "sh",
            "-c",
            "while :; do /usr/bin/ip address del \"$1/24\" dev \"$2\" 2> /dev/null; sleep 0.2; done",
            "fighter",
            one.ip_v4,
            links.relay
          ])
          yield* until("the address to be contended", ({ contended }) => contended.includes(address), 120)
          const began = yield* watching()
          yield* Effect.sleep("15 seconds")
          const ended = yield* watching()
          // Milliseconds of processor time in fifteen seconds.
          assert.isBelow((ended.cpu - began.cpu) / 1e6, 3000)
          assert.strictEqual(yield* node.execOk(others), unharmed)
          const { contended, relays } = yield* status()
          assert.deepStrictEqual(contended, [address])
          assert.strictEqual(relays.find(({ name }) => name === other.name)?.state, "ok")
          const said = (yield* journal()).slice(lines).filter((line) => line.includes("is contended: something keeps"))
          assert.lengthOf(said, 1)
        }))
        yield* converged(100)
        assert.include(yield* node.execOk(["ip", "-4", "address", "show", "dev", links.relay]), one.ip_v4)
        assert.strictEqual(yield* node.execOk(others), unharmed)
      }),
    300_000
  )

  it.effect("is still the same process, and rests", () =>
    Effect.gen(function*() {
      const before = yield* watching()
      yield* Effect.sleep("5 seconds")
      const after = yield* watching()
      assert.strictEqual(after.restarts, "0")
      assert.isBelow(after.cpu - before.cpu, 500, "milliseconds in five seconds")
    }))
})
