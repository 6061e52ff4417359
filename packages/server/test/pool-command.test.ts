import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { runningPatela } from "./rig/runningPatela.ts"

const TIMEOUT = 120_000

const specs = JSON.stringify({ n_cpus: 3, memory: 8 * 1024 ** 3, cpu_name: "test" })
const smaller = JSON.stringify({ n_cpus: 1, memory: 8 * 1024 ** 3, cpu_name: "test" })

const Listed = Schema.fromJsonString(Schema.Struct({
  pools: Schema.Array(Schema.Struct({
    id: Schema.Int,
    family: Schema.String,
    first: Schema.String,
    last: Schema.String,
    prefix: Schema.Int,
    environment: Schema.Boolean,
    reserved: Schema.Array(Schema.String),
    size: Schema.Int,
    used: Schema.Int,
    relays: Schema.Int,
    quarantined: Schema.Int,
    free: Schema.Int
  })),
  relays_per_address: Schema.Int
}))

/** Two nodes with three relays each, and commands that end as they should. */
const house = Effect.gen(function*() {
  const { administration, cli, ask, enrolled } = yield* runningPatela
  const first = yield* enrolled
  const second = yield* enrolled
  yield* ask("/private/specs", specs, first.token)
  yield* ask("/private/specs", specs, second.token)
  const ran = Effect.fnUntraced(function*(...args: ReadonlyArray<string>) {
    const { code, stdout, stderr } = yield* cli(args)
    assert.deepStrictEqual([code, stderr], [0, ""], args.join(" "))
    return stdout
  })
  const refused = Effect.fnUntraced(function*(...args: ReadonlyArray<string>) {
    const { code, stdout, stderr } = yield* cli(args)
    assert.deepStrictEqual([code, stdout], [1, ""], args.join(" "))
    return stderr
  })
  return { administration, ask, second, ran, refused }
})

describe("patela", () => {
  it.effect("adds, lists and removes pools, and sets how relays are given", () =>
    Effect.gen(function*() {
      const { ran, refused } = yield* house
      yield* ran("pool", "add", "198.51.100.8/29", "--reserve", "198.51.100.9, 198.51.100.10")
      yield* ran("relay", "remove", "toma", "--yes")
      const { pools, relays_per_address } = yield* Schema.decodeEffect(Listed)(yield* ran("pool", "list", "--json"))
      const one = { id: 1, family: "ipv4", first: "192.0.2.10", last: "192.0.2.255", prefix: 24, environment: true }
      // Of 245 addresses one is a name server's.
      assert.deepStrictEqual(pools, [
        { ...one, reserved: [], size: 245, used: 5, relays: 5, quarantined: 1, free: 238 },
        {
          ...one,
          id: 2,
          first: "198.51.100.8",
          last: "198.51.100.15",
          prefix: 29,
          environment: false,
          reserved: ["198.51.100.9", "198.51.100.10"],
          size: 4,
          used: 0,
          relays: 0,
          quarantined: 0,
          free: 4
        }
      ])
      assert.strictEqual(relays_per_address, 1)
      assert.include(yield* ran("pool", "list"), "198.51.100.9 198.51.100.10")
      assert.include(
        yield* ran("pool", "set", "relays-per-address", "4"),
        "relays-per-address is now 4. Relays that have"
      )
      assert.include(yield* ran("pool", "list"), "one IPv4 address for 4 of them")
      assert.include(yield* refused("pool", "set", "relays-per-address", "9"), "a number from 1 to 8")
      assert.include(yield* refused("pool", "remove", "1"), "5 relays have addresses of it: castelmagno robiola")
      assert.include(yield* ran("pool", "remove", "2"), "Pool 2 (198.51.100.8-198.51.100.15/29) is removed")
      assert.include(yield* ran("pool", "set", "quarantine", "36h"), "quarantine is now 36h")
      assert.deepStrictEqual(JSON.parse(yield* ran("pool", "get", "--json")), {
        quarantine: "36h",
        "relays-per-node": "512",
        "relays-per-address": "4"
      })
    }), TIMEOUT)

  it.effect(
    "moves and renames relays, shows who has too many or too few, and removes nodes",
    () =>
      Effect.gen(function*() {
        const { administration, ask, second, ran, refused } = yield* house
        const to = String(second.id)
        yield* administration.set("test", second.id, "relays", "default")
        assert.include(yield* ran("relay", "move", "robiola", to), `to node ${to}, where it has 192.0.2.16`)
        assert.include(yield* ran("relay", "rename", "robiola", "gouda"), "robiola is now gouda")
        yield* ask("/private/specs", smaller, second.token)
        const surplus = yield* ran("list", "node", "surplus")
        assert.include(surplus, "4 of 1, surplus")
        assert.include(yield* ran("node", "show", to), "1, surplus; by hardware 1")
        yield* administration.set("test", second.id, "relays", "400")
        yield* ask("/private/config/node", undefined, second.token)
        const alarm = yield* ran("list", "all")
        assert.include(alarm, "4 of 400, exhausted")
        assert.include(
          alarm,
          `alarm: node ${to} is given no more relays: the IPv4 pools (192.0.2.10-192.0.2.255/24) have`
        )

        const asked = yield* refused("node", "remove", to)
        assert.include(asked, "gouda")
        assert.include(asked, `patela node remove ${to} --yes`)
        assert.include(yield* ran("node", "remove", to, "--yes"), "names and addresses are in quarantine")
      }),
    TIMEOUT
  )

  it.effect("explains all that", () =>
    Effect.gen(function*() {
      const { cli } = yield* runningPatela
      const commands = [
        ["pool"],
        ["pool", "add"],
        ["relay", "move"],
        ["relay", "rename"],
        ["node", "remove"]
      ]
      yield* Effect.forEach(commands, (command) =>
        Effect.map(cli([...command, "--help"]), ({ code, stdout }) => {
          assert.strictEqual(code, 0)
          assert.include(stdout, `patela ${command.join(" ")}`)
          assert.include(stdout, "EXAMPLES")
        }), { concurrency: 2 })
    }), TIMEOUT)
})
