import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Ref, Schema } from "effect"
import { createECDH } from "node:crypto"
import { statSync } from "node:fs"
import { type FloodRequest, httpsFlood } from "../../packages/server/test/rig/httpsFlood.ts"
import { runningPatelaWith } from "../../packages/server/test/rig/runningPatela.ts"
import { SealedText } from "../../packages/server/test/rig/SealedAnswer.ts"
import { softwareTpm } from "../../packages/server/test/rig/SoftwareTpm.ts"

const MACHINES = 10_000
const TIMEOUT = 300_000

/** Requests of machines that nobody knows, each with an endorsement key of its own on the curve. */
const unknownMachines = function*(count: number): Generator<FloodRequest> {
  const { request } = softwareTpm()
  // The last 68 bytes are the sized x and y of the point (TPM 2.0 part 2, 11.2.5.2).
  const template = request.ek_public.slice(0, -2 * 68)
  const ecdh = createECDH("prime256v1")
  for (let made = 0; made < count; made++) {
    const point = ecdh.generateKeys("hex", "uncompressed")
    const ek_public = `${template}0020${point.slice(2, 66)}0020${point.slice(66)}`
    yield { path: "/public/auth", body: JSON.stringify({ ...request, ek_public }) }
  }
}

const flooded = Effect.fnUntraced(function*(settings: Readonly<Record<string, string>>) {
  const { ask, cli, enrolled, folder, pem, server } = yield* runningPatelaWith(settings)
  const { id, tpm, token } = yield* enrolled
  const body = JSON.stringify(tpm.request)
  const specs = JSON.stringify({ n_cpus: 2, memory: 8 * 1024 ** 3, cpu_name: "test" })
  assert.strictEqual((yield* ask("/private/specs", specs, token)).status, 200)
  const done = yield* Ref.make(false)
  const times: Array<number> = []
  const node = Effect.gen(function*() {
    while (!(yield* Ref.get(done))) {
      const start = performance.now()
      const { text, status } = yield* ask("/public/auth", body)
      assert.strictEqual(status, 200)
      const fresh = tpm.open(yield* Schema.decodeEffect(SealedText)(text))
      assert.strictEqual((yield* ask("/private/config/node", undefined, fresh)).status, 200)
      times.push(performance.now() - start)
      yield* Effect.sleep("1200 millis")
    }
  })
  const working = yield* Effect.forkChild(node)
  const started = performance.now()
  const statuses = yield* httpsFlood({
    port: server.port,
    ca: pem,
    requests: unknownMachines(MACHINES),
    sockets: 20
  })
  const seconds = (performance.now() - started) / 1000
  yield* Ref.set(done, true)
  yield* Fiber.join(working)
  const { stdout } = yield* cli(["list", "node", "--json"])
  const { nodes } = yield* Schema.decodeEffect(
    Schema.fromJsonString(
      Schema.Struct({ nodes: Schema.Array(Schema.Struct({ id: Schema.Int, state: Schema.String })) })
    )
  )(stdout)
  assert.deepInclude(nodes, { id, state: "enabled" })
  const bytes = ["", "-wal"].map((end) => statSync(`${folder}/patela.db${end}`, { throwIfNoEntry: false })?.size ?? 0)
  const waiting = nodes.filter(({ state }) => state === "waiting").length
  yield* Effect.logInfo(
    `${MACHINES} unknown machines in ${seconds.toFixed(1)} s: ${JSON.stringify([...statuses])}, ${waiting} waiting, ` +
      `database and log ${bytes.join(" and ")} bytes; ${times.length} authentications of an enabled node meanwhile, ` +
      `the slowest ${Math.max(...times).toFixed(0)} ms`
  )
  return { statuses, waiting, times, seconds, bytes: bytes.reduce((sum, size) => sum + size, 0) }
})

/** On a machine that does many other things meanwhile; alone, the slowest takes less than a second. */
const promptly = (times: ReadonlyArray<number>): void => {
  const [slowest = Infinity, ...rest] = times.toSorted((a, b) => b - a)
  assert.isBelow(slowest, 15_000)
  assert.isBelow(rest[Math.floor(rest.length / 2)] ?? 0, 3000)
}

describe("10,000 endorsement keys that nobody knows", () => {
  it.live("are stopped by the limits, while an enabled node is served", () =>
    Effect.gen(function*() {
      const { statuses, waiting, times, seconds, bytes } = yield* flooded({})
      assert.deepStrictEqual([...statuses.keys()].toSorted(), [401, 429])
      assert.isAtMost(waiting, 60 + Math.ceil(seconds), "60 of one source, and one more each second")
      assert.isAtLeast(times.length, 2)
      promptly(times)
      assert.isBelow(bytes, 8 * 1024 ** 2)
    }), TIMEOUT)

  it.live(
    "fill no more than the waiting list where the limits are off, while an enabled node is served",
    () =>
      Effect.gen(function*() {
        const { statuses, waiting, times, bytes } = yield* flooded({
          PATELA_NEW_PER_SOURCE: "9999999",
          PATELA_NEW_IN_ALL: "9999999",
          PATELA_WAITING_LIST: "300"
        })
        assert.deepStrictEqual([...statuses], [[401, 300], [429, MACHINES - 300]])
        assert.strictEqual(waiting, 300)
        assert.isAtLeast(times.length, 2)
        promptly(times)
        assert.isBelow(bytes, 8 * 1024 ** 2)
      }),
    TIMEOUT
  )
})
