import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Ref, Schema } from "effect"
import { runningPatela } from "./rig/runningPatela.ts"

const TIMEOUT = 120_000

const Told = Schema.fromJsonString(Schema.Struct({ generation: Schema.Int, geoip: Schema.Boolean }))
const Relays = Schema.fromJsonString(Schema.Array(Schema.Struct({ name: Schema.String })))

describe("patela rollout", () => {
  it.live(
    "comes to one node after the other, stops at the first that fails, and goes on when it is run again",
    () =>
      Effect.gen(function*() {
        const { ask, cli, enrolled } = yield* runningPatela
        const takesItBack = yield* Ref.make(true)
        const seen = yield* Ref.make<ReadonlyArray<string>>([])

        /** Says what an agent would say that has just looked. */
        const agentOf = Effect.fnUntraced(function*({ id, token }: { readonly id: number; readonly token: string }) {
          const { generation, geoip } = yield* Effect.flatMap(
            ask("/private/config/resolved/node", undefined, token),
            ({ text }) => Schema.decodeEffect(Told)(text)
          )
          const relays = yield* Effect.flatMap(
            ask("/private/config/node", undefined, token),
            ({ text }) => Schema.decodeEffect(Relays)(text)
          )
          if (geoip) yield* Ref.update(seen, (all) => all.includes(`node ${id}`) ? all : [...all, `node ${id}`])
          const back = geoip && id === 2 && (yield* Ref.get(takesItBack))
          const report = {
            relays: relays.map(({ name }) => ({ name, fingerprint: null, blocked: null })),
            tor_version: null,
            generation,
            rolled_back: back ? "the server was out of reach" : null
          }
          yield* ask("/private/report", JSON.stringify(report), token)
        })
        const nodes = [yield* enrolled, yield* enrolled, yield* enrolled]
        for (const { token } of nodes) {
          yield* ask("/private/specs", JSON.stringify({ n_cpus: 1, memory: 2 ** 30, cpu_name: "test" }), token)
        }
        const agents = yield* Effect.forkScoped(
          Effect.forEach(nodes, agentOf, { discard: true }).pipe(Effect.andThen(Effect.sleep(250)), Effect.forever)
        )

        assert.include((yield* cli(["rollout", "run", "--nodes", "1"])).stderr, "patela rollout begin")
        assert.strictEqual((yield* cli(["rollout", "show"])).stdout, "No rollout is under way.\n")
        const begun = yield* cli(["rollout", "begin"])
        assert.include(begun.stdout, "3 nodes are held")
        const change = yield* cli(
          ["network", "set", "--gateway-v4", "192.0.2.1", "--dns", "192.0.2.53", "--geoip"]
        )
        assert.strictEqual(change.code, 0, change.stderr)
        assert.deepStrictEqual(yield* Ref.get(seen), [])

        const stopped = yield* cli(["rollout", "run", "--nodes", "1", "--within", "1", "--pause", "0"])
        assert.deepStrictEqual(
          [stopped.code, stopped.stdout],
          [1, "released node 1\nreleased node 2\n"],
          stopped.stderr
        )
        assert.include(stopped.stderr, "stops at node 2: it took the configuration back: the server was out of reach")
        assert.include(stopped.stderr, "1 nodes are still held")
        assert.deepStrictEqual(yield* Ref.get(seen), ["node 1", "node 2"])

        yield* Ref.set(takesItBack, false)
        const again = yield* cli(["rollout", "run", "--nodes", "1", "--within", "1", "--pause", "0"])
        assert.deepStrictEqual(
          [again.code, again.stdout],
          [0, "released node 3\nAll nodes have the configuration.\n"],
          again.stderr
        )
        assert.deepStrictEqual(yield* Ref.get(seen), ["node 1", "node 2", "node 3"])
        assert.isUndefined(agents.pollUnsafe(), "the agents still speak")
        yield* Fiber.interrupt(agents)
        const audit = (yield* cli(["audit"])).stdout
        for (const what of ["rollout begun", "rollout: nodes released", "rollout ended"]) assert.include(audit, what)
      }),
    TIMEOUT
  )
})
