import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { runningPatela } from "./rig/runningPatela.ts"

const TIMEOUT = 120_000

const specs = JSON.stringify({ n_cpus: 3, memory: 8 * 1024 ** 3, cpu_name: "test" })

const Explained = Schema.fromJsonString(Schema.Struct({
  layer: Schema.String,
  lines: Schema.Array(Schema.Struct({ text: Schema.String, from: Schema.String, line: Schema.NullOr(Schema.Int) }))
}))
const Difference = Schema.fromJsonString(Schema.Struct({
  changed: Schema.Array(Schema.Struct({
    impact: Schema.String,
    restart_for: Schema.Array(Schema.String),
    count: Schema.Int,
    lines: Schema.Array(Schema.String),
    relays: Schema.Array(Schema.Struct({ name: Schema.String, node: Schema.Int }))
  })),
  unchanged: Schema.Int
}))

// Each command is a process; what they do is tested in torrc-layers.test.ts and fleet-change.test.ts.
describe("patela torrc", () => {
  it.effect(
    "sets and removes options, shows beforehand what that does, and explains what there is",
    () =>
      Effect.gen(function*() {
        const { cli, ask, enrolled } = yield* runningPatela
        const { id: number, token } = yield* enrolled
        const id = String(number)
        yield* ask("/private/specs", specs, token)
        const good = (args: ReadonlyArray<string>, stdin?: string) =>
          Effect.map(cli(["torrc", ...args], stdin), ({ code, stdout, stderr }) => {
            assert.deepStrictEqual([code, stderr], [0, ""], args.join(" "))
            return stdout
          })
        assert.strictEqual(
          yield* good(["set", "default", "exitpolicy", "reject *:25", "accept *:*", "--dry-run"]),
          `The torrc of default would change:
  + ExitPolicy reject *:25
  + ExitPolicy accept *:*
3 of 3 relays would change: 3 reloaded. Nothing was changed.
`
        )
        const done = yield* good(["set", "node", id, "+ExitPolicy", "accept *:80", "accept *:443"])
        assert.strictEqual(done, `ExitPolicy is set in the torrc of node ${id}.\n`)
        yield* good(["import", "-", "relay", "toma"], "NumCPUs 2\nExitRelay 1\n")
        const removed = yield* good(["remove", "relay", "toma", "ExitRelay"])
        assert.strictEqual(removed, "ExitRelay is taken out of the torrc of relay toma.\n")

        const text = yield* good(["get", "node", id, "--resolved", "--explain"])
        assert.match(text, /^node \d+ +2 +ExitPolicy accept \*:443$/m)
        const explained = yield* good(["get", "relay", "toma", "--resolved", "--explain", "--json"])
        const { lines } = yield* Schema.decodeEffect(Explained)(explained)
        assert.deepStrictEqual(lines.filter(({ from }) => from !== "Patela"), [
          { text: "ContactInfo \"me@example.org\"", from: "default", line: 1 },
          { text: "ExitPolicy accept *:80", from: `node ${id}`, line: 1 },
          { text: "ExitPolicy accept *:443", from: `node ${id}`, line: 2 },
          { text: "NumCPUs 2", from: "relay toma", line: 1 }
        ])

        const json = yield* good(["diff", "default", "-", "--json"], "NumCPUs 4\n")
        const { changed, unchanged } = yield* Schema.decodeEffect(Difference)(json)
        assert.strictEqual(unchanged, 0)
        assert.deepInclude(changed[0], {
          impact: "restart",
          restart_for: ["NumCPUs"],
          count: 2,
          lines: ["- ContactInfo \"me@example.org\"", "+ NumCPUs 4"]
        })
        assert.deepInclude(changed[1], { impact: "reload", count: 1, relays: [{ name: "toma", node: number }] })
      }),
    TIMEOUT
  )

  it.effect("refuses with 1 what no relay should have, and a wrong command line with 2", () =>
    Effect.gen(function*() {
      const { cli } = yield* runningPatela
      const expectations: ReadonlyArray<readonly [args: ReadonlyArray<string>, code: number, says: string]> = [
        [["set", "default", "ControlPort", "9051"], 1, "line 2, column 1: ControlPort is refused"],
        [["remove", "relay", "nosuch", "NumCPUs"], 1, "There is no relay nosuch"],
        [["diff", "default", "/nonexistent"], 1, "/nonexistent cannot be read"],
        [["set", "node", "five", "NumCPUs", "1"], 2, "--help"]
      ]
      yield* Effect.forEach(expectations, ([args, code, says]) =>
        Effect.map(cli(["torrc", ...args]), (ran) => {
          assert.deepStrictEqual([ran.code, ran.stdout], [code, ""], args.join(" "))
          assert.include(ran.stderr, says)
        }), { concurrency: 2 })
      const help = yield* cli(["torrc", "set", "node", "--help"])
      assert.strictEqual(help.code, 0)
      assert.include(help.stdout, "patela torrc set node 5 ExitPolicy ")
    }), TIMEOUT)
})
