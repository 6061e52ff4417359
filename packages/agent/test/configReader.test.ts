import { assert, describe, it } from "@effect/vitest"
import { Ipv4 } from "@patela/domain/net/Ipv4"
import type { ResolvedNode, ResolvedRelay } from "@patela/domain/node/NodeConfig"
import { RelayName } from "@patela/domain/relay/RelayName"
import { Slot } from "@patela/domain/relay/Slot"
import { Effect, Schema } from "effect"
import { HttpApiSchema } from "effect/http-api"
import { configReader } from "../src/session/configReader.ts"

/** What happens right before a request reaches the server: changes, of relays or of the node alone; and is it answered. */
const Moment = Schema.Struct({
  changes: Schema.Array(Schema.Literals(["relays", "node"])).pipe(Schema.check(Schema.isMaxLength(3))),
  fails: Schema.Boolean
})
const Moments = Schema.Array(Moment).pipe(Schema.check(Schema.isMaxLength(30)))

const V4 = Ipv4.make("192.0.2.1")

const nodeAt = (generation: number): ResolvedNode => ({
  generation,
  removed: [],
  network: { gateway_v4: V4, gateway_v6: null, prefix_v4: 24, prefix_v6: null, dns: [], pools: [] },
  geoip: false,
  test_network: false
})

const relaysAt = (generation: number): ReadonlyArray<ResolvedRelay> => [{
  name: RelayName.make("toma"),
  slot: Slot.make(0),
  ip_v4: V4,
  ip_v6: null,
  or_port: 443,
  dir_port: null,
  torrc: String(generation),
  fingerprint: null
}]

/** A server whose relays say in which generation they became what they are. */
const serverOf = (moments: ReadonlyArray<typeof Moment.Type>) => {
  let asked = 0
  let decoded = 0
  /** For each generation from 1, that of its relays. */
  const relays = [1]
  const answer =
    <A>(bodyAt: (generation: number) => A, tagAt: (generation: number) => number) =>
    (request: { readonly headers: { readonly "if-none-match"?: string } }) =>
      Effect.suspend(() => {
        const moment = moments[asked]
        asked += 1
        for (const what of moment?.changes ?? []) {
          const generation = relays.length + 1
          relays.push(what === "relays" ? generation : relays.at(-1) ?? 0)
        }
        if (moment?.fails === true) return Effect.fail("no answer")
        const etag = `"${tagAt(relays.length)}"`
        const same = request.headers["if-none-match"] === etag
        if (!same) decoded += 1
        return Effect.succeed(
          HttpApiSchema.withHeaders<A | void, { readonly etag: string }>({
            body: same ? undefined : bodyAt(relays.length),
            headers: { etag }
          })
        )
      })
  const relaysOf = (generation: number) => relays[generation - 1] ?? 0
  return {
    node: answer(nodeAt, (generation) => generation),
    relays: answer((generation) => relaysAt(relaysOf(generation)), relaysOf),
    relaysOf,
    now: () => relays.length,
    asked: () => asked,
    decoded: () => decoded
  }
}

describe("reading a configuration", () => {
  it.effect.prop("whatever changes or fails meanwhile, relays are never older than the generation says", [Moments], ([
    moments
  ]) =>
    Effect.gen(function*() {
      const server = serverOf(moments)
      const read = yield* configReader(server)
      while (server.asked() < moments.length) {
        const result = yield* Effect.result(read)
        if (result._tag === "Failure") continue
        const { generation, relays } = result.success
        const since = Array.from({ length: server.now() - generation + 1 }, (_, index) => generation + index)
        assert.include(since.map((one) => String(server.relaysOf(one))), relays[0]?.torrc)
      }
      // And when it is quiet, it is the newest, of one time.
      const config = yield* read
      assert.strictEqual(config.generation, server.now())
      assert.strictEqual(config.relays[0]?.torrc, String(server.relaysOf(server.now())))
    }), { arbitrary: { runs: 500 } })

  it.effect.prop("while which something changed once, they are of one time", [
    Moment,
    Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 8 })))
  ], ([{ changes }, at]) =>
    Effect.gen(function*() {
      const quiet = { changes: [], fails: false }
      const server = serverOf([...Array.from({ length: at }, () => quiet), { changes, fails: false }])
      const read = yield* configReader(server)
      do {
        const { generation, relays } = yield* read
        assert.strictEqual(relays[0]?.torrc, String(server.relaysOf(generation)))
      } while (server.asked() <= at)
    }))

  it.effect.prop("which did not change takes two requests, decodes nothing, and is the same object", [Moments], ([
    moments
  ]) =>
    Effect.gen(function*() {
      const server = serverOf(moments.map((moment) => ({ ...moment, fails: false })))
      const read = yield* configReader(server)
      while (server.asked() < moments.length) yield* read
      const before = yield* read
      const [asked, decoded] = [server.asked(), server.decoded()]
      assert.strictEqual(yield* read, before)
      assert.deepStrictEqual([server.asked() - asked, server.decoded() - decoded], [2, 0])
    }))

  it.effect("that is said to be unchanged before it was ever sent is no configuration", () =>
    Effect.gen(function*() {
      const unchanged = () => Effect.succeed(HttpApiSchema.withHeaders({ body: undefined, headers: { etag: "\"x\"" } }))
      const error = yield* Effect.flip(yield* configReader({ node: unchanged, relays: unchanged }))
      assert.strictEqual(error._tag, "ServerAway")
    }))
})
