import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { connectionsTo } from "./rig/connectionsTo.ts"
import { eventually } from "./rig/eventually.ts"
import { httpsEvents } from "./rig/httpsEvents.ts"
import { lastGeneration } from "./rig/lastGeneration.ts"
import { runningPatelaWith } from "./rig/runningPatela.ts"
import { soonest } from "./rig/soonest.ts"

const STREAMS = 200
const TIMEOUT = 120_000

describe("events of a server in a process of its own", () => {
  it.effect(
    "reach 200 streams within a second of another process's change, and end with the server",
    () =>
      Effect.gen(function*() {
        const { server, cli, enrolled, ask, pem } = yield* runningPatelaWith({
          PATELA_STREAMS_PER_NODE: String(STREAMS)
        })
        const { id, token } = yield* enrolled
        const open = httpsEvents({ port: server.port, ca: pem, token })
        const streams = yield* Effect.forEach(Array.from({ length: STREAMS }), () => open, { concurrency: 20 })
        yield* eventually("the first event of each", () => streams.every(({ text }) => text() !== ""), 30_000)
        const before = streams.map(({ text }) => lastGeneration(text()))
        assert.strictEqual(new Set(before).size, 1)
        let [generation = Number.NaN] = before

        const took = yield* soonest((geoip) =>
          Effect.gen(function*() {
            generation += 1
            yield* cli(["node", "set", String(id), "geoip", geoip])
            // The command has ended by now, so this is less than the time from its commit.
            return yield* eventually(
              "the event of the change",
              () => streams.every(({ text }) => lastGeneration(text()) === generation),
              10_000
            )
          })
        )
        assert.isBelow(took, 1000)
        assert.strictEqual((yield* ask("/private/specs", "{}", token)).status, 400, "others are served meanwhile")
        assert.isTrue(streams.every(({ ended }) => !ended()))

        assert.strictEqual(yield* server.stop, 0)
        yield* eventually("the streams' end", () => streams.every(({ ended }) => ended()), 10_000)
        assert.isTrue(streams.every(({ whole }) => whole()), "none was broken off, as at the end of the grace")
      }),
    TIMEOUT
  )

  it.effect("hold no socket of a node that went away", () =>
    Effect.gen(function*() {
      const { server, enrolled, pem } = yield* runningPatelaWith({ PATELA_STREAMS_PER_NODE: "30" })
      const { token } = yield* enrolled
      const open = httpsEvents({ port: server.port, ca: pem, token })
      const stays = yield* open
      const before = connectionsTo(server)
      yield* Effect.scoped(Effect.gen(function*() {
        yield* Effect.forEach(Array.from({ length: 20 }), () => open)
        yield* eventually("the sockets", () => connectionsTo(server) === before + 20, 10_000)
      }))
      yield* eventually("the sockets' end", () => connectionsTo(server) === before, 10_000)
      assert.isFalse(stays.ended())
    }), TIMEOUT)
})
