import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { runningPatela } from "./rig/runningPatela.ts"

const TIMEOUT = 120_000

const specs = JSON.stringify({ n_cpus: 3, memory: 8 * 1024 ** 3, cpu_name: "test" })
const Shown = Schema.fromJsonString(Schema.Struct({
  state: Schema.String,
  relays: Schema.Array(Schema.String),
  settings: Schema.Struct({ relays: Schema.NullOr(Schema.Int) }),
  configuration: Schema.Struct({
    state: Schema.String,
    generation: Schema.NullOr(Schema.Int),
    current_generation: Schema.Int,
    rolled_back: Schema.NullOr(Schema.String)
  })
}))

describe("patela", () => {
  it.effect("takes a relay off its node when told twice, and the node gets no other", () =>
    Effect.gen(function*() {
      const { cli, ask, enrolled } = yield* runningPatela
      const { id: number, token } = yield* enrolled
      const id = String(number)
      yield* ask("/private/specs", specs, token)
      const shown = Effect.flatMap(cli(["node", "show", id, "--json"]), ({ stdout }) =>
        Schema.decodeEffect(Shown)(stdout))
      const before = yield* shown

      const asked = yield* cli(["relay", "remove", "toma"])
      assert.deepStrictEqual([asked.code, asked.stdout], [1, ""])
      assert.include(asked.stderr, `this would take toma off node ${id} for good`)
      assert.include(asked.stderr, "would keep 2 relays")
      assert.include(asked.stderr, "relays would become 2 (it was default)")
      assert.include(asked.stderr, "patela relay remove toma --yes")
      assert.deepStrictEqual(yield* shown, before, "nothing was changed")

      const done = yield* cli(["relay", "remove", "toma", "--yes"])
      assert.deepStrictEqual([done.code, done.stderr], [0, ""])
      assert.include(done.stdout, "keeps 2 relays")
      assert.include(done.stdout, "relays is now 2 (it was default)")
      assert.include(done.stdout, `patela node set ${id} relays NUMBER`)
      yield* ask("/private/specs", specs, token)
      const after = yield* shown
      assert.deepStrictEqual(
        after.relays,
        before.relays.filter((name) =>
          name !== "toma"
        )
      )
      assert.strictEqual(after.settings.relays, 2)
      assert.strictEqual(after.configuration.current_generation, before.configuration.current_generation + 1)

      for (const name of ["toma", "nosuch", "No-Name"]) {
        const unknown = yield* cli(["relay", "remove", name, "--yes"])
        assert.deepStrictEqual([unknown.code, unknown.stdout], [1, ""])
        assert.match(unknown.stderr, /^patela: There is no relay "?(toma|nosuch|No-Name)"?\. See them all with/)
      }
      yield* cli(["node", "set", id, "relays", "3"])
      yield* ask("/private/specs", specs, token)
      const again = yield* shown
      assert.strictEqual(again.relays.length, 3)
      assert.notInclude(again.relays, "toma", "the name is not given again")
    }), TIMEOUT)

  it.effect("says how nodes stand to the configuration", () =>
    Effect.gen(function*() {
      const { cli, ask, enrolled } = yield* runningPatela
      const { id: number, token } = yield* enrolled
      const id = String(number)
      const reason = "no new connection to the server; \u001b[31mred"
      const report = (generation: number, rolled_back: string | null) =>
        ask("/private/report", JSON.stringify({ relays: [], tor_version: null, generation, rolled_back }), token)
      const stateNow = Effect.gen(function*() {
        const { stdout } = yield* cli(["node", "show", id, "--json"])
        const { state, configuration } = yield* Schema.decodeEffect(Shown)(stdout)
        assert.strictEqual(state, "enabled")
        return configuration
      })
      const { state, current_generation: current } = yield* stateNow
      assert.strictEqual(state, "unknown")
      yield* report(current, null)
      assert.deepInclude(yield* stateNow, { state: "current", generation: current })
      yield* cli(["node", "set", id, "geoip", "on"])
      assert.deepInclude(yield* stateNow, { state: "behind", generation: current, current_generation: current + 1 })
      assert.include((yield* cli(["list", "node", "behind"])).stdout, "behind")
      yield* report(current, reason)
      assert.deepInclude(yield* stateNow, { state: "rolled back", rolled_back: reason })
      const table = (yield* cli(["list", "node"])).stdout
      assert.include(table, "rolled back")
      const text = (yield* cli(["node", "show", id])).stdout
      assert.include(
        text,
        `rolled back, generation ${current} of ${current + 1}: no new connection to the server; ?[31m`
      )
      yield* report(current + 5, null)
      assert.deepInclude(yield* stateNow, { state: "ahead" })
    }), TIMEOUT)

  it.effect("explains relay", () =>
    Effect.gen(function*() {
      const { cli } = yield* runningPatela
      for (const args of [["relay", "--help"], ["relay", "remove", "--help"]]) {
        const { code, stdout } = yield* cli(args)
        assert.strictEqual(code, 0)
        assert.include(stdout, "patela relay remove toma --yes")
      }
      const bare = yield* cli(["relay", "remove"])
      assert.deepStrictEqual([bare.code, bare.stdout], [2, ""])
    }), TIMEOUT)
})
