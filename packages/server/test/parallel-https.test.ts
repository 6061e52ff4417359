import { assert, describe, it } from "@effect/vitest"
import { ResolvedRelay } from "@patela/domain/node/NodeConfig"
import { Effect, Schema } from "effect"
import { httpsAsk } from "./rig/httpsAsk.ts"
import { runningPatela } from "./rig/runningPatela.ts"

const NODES = 50
const PER_NODE = 4

const specs = JSON.stringify({ n_cpus: PER_NODE, memory: 64 * 1024 ** 3, cpu_name: "test" })
const Relays = Schema.fromJsonString(Schema.Array(ResolvedRelay))

describe("fifty nodes that boot at once", () => {
  it.effect(
    "of two servers over one database: no name, address or slot is given twice, and asking again is the same",
    () =>
      Effect.gen(function*() {
        const { server, start, enrolled, pem } = yield* runningPatela
        const other = yield* start()
        const machines = yield* Effect.forEach(Array.from({ length: NODES }), () => enrolled)
        const boot = Effect.fnUntraced(function*(index: number, token: string) {
          // Each says it to both at once, as one that lost its connection and asks again.
          const say = (port: number) => httpsAsk({ port, ca: pem, path: "/private/specs", body: specs, token })
          const ports = index % 2 === 0 ? [server.port, other.port] : [other.port, server.port]
          const answers = yield* Effect.forEach(ports, say, { concurrency: "unbounded" })
          for (const { status, text } of answers) {
            assert.deepStrictEqual([status, text], [200, `{"relays":${PER_NODE}}`])
          }
          const [first, second] = yield* Effect.forEach(ports, (port) =>
            httpsAsk({ port, ca: pem, path: "/private/config/node", token }))
          assert.strictEqual(first?.text, second?.text)
          return yield* Schema.decodeEffect(Relays)(first?.text ?? "")
        })
        const given = yield* Effect.forEach(machines, ({ token }, index) =>
          boot(index, token), {
          concurrency: "unbounded"
        })
        const relays = given.flat()
        assert.strictEqual(relays.length, NODES * PER_NODE)
        assert.strictEqual(new Set(relays.map(({ name }) => name)).size, relays.length)
        assert.strictEqual(new Set(relays.map(({ ip_v4 }) => ip_v4)).size, relays.length)
        for (const own of given) assert.deepStrictEqual(own.map(({ slot }) => Number(slot)), [0, 1, 2, 3])
      }),
    120_000
  )
})
