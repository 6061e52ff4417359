import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Schema } from "effect"
import { PrometheusMetrics } from "effect/observability"
import { SqlClient } from "effect/sql"
import { DatabaseSync } from "node:sqlite"
import { Connections } from "../src/limits/Connections.ts"
import { updateFleetMetrics } from "../src/metrics/FleetMetrics.ts"
import { Nodes } from "../src/nodes/Nodes.ts"
import { configurationStateOf, isProven, stateOf } from "../src/nodes/NodeView.ts"
import { WaitingBound } from "../src/nodes/WaitingBound.ts"
import { Relays } from "../src/relays/Relays.ts"
import { stateOf as relayStateOf } from "../src/relays/RelayView.ts"
import { layerAt } from "../src/store/Store.ts"
import { eventually } from "./rig/eventually.ts"
import { runningPatelaWith } from "./rig/runningPatela.ts"
import { softwareTpm } from "./rig/SoftwareTpm.ts"
import { temporaryDirectory } from "./rig/temporaryDirectory.ts"
import { environment } from "./rig/TestApi.ts"

const TIMEOUT = 120_000

const between = (minimum: number, maximum: number) =>
  Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum, maximum })))

const Machine = Schema.Struct({
  enabled: between(0, 1),
  epoch: between(1, 2),
  generation: Schema.NullOr(between(40, 42)),
  rolled_back: Schema.NullOr(Schema.Literal("why")),
  proven_at: Schema.NullOr(Schema.Literal("2026-01-01T00:00:00.000Z")),
  relay: Schema.NullOr(Schema.Struct({
    alarm_at: Schema.NullOr(Schema.Literal("2026-01-01T00:00:00.000Z")),
    blocked: Schema.NullOr(Schema.Literal("why")),
    fingerprint_rsa: Schema.NullOr(Schema.Literal("A".repeat(40)))
  }))
})

const stateIn = (text: string, metric: string, state: string): number =>
  Number(new RegExp(`^patela_${metric}\\{state="${state}"\\} (\\d+)$`, "m").exec(text)?.[1] ?? Number.NaN)

const services = Layer.mergeAll(Nodes.layer, Relays.layer, Connections.layer, WaitingBound.layer).pipe(
  Layer.provideMerge(Layer.unwrap(Effect.map(temporaryDirectory, (folder) => layerAt(`${folder}/patela.db`)))),
  Layer.provide(environment({}))
)

describe("the metrics of a fleet", () => {
  it.effect.prop(
    "law: count every state as the lists do",
    [Schema.Array(Machine)],
    ([machines]) =>
      Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        yield* sql`UPDATE generation SET value = 41`
        for (const [at, { relay, ...machine }] of machines.entries()) {
          const keys = { ek_public: `e${at}`, ak_public: "a", ak_name: "n", first_seen: "", last_seen: "" }
          yield* sql`INSERT INTO nodes ${sql.insert({ ...keys, ...machine })}`
          if (relay === null) continue
          const own = { node_id: at + 1, name: `r${at}`, slot: 0, ip_v4: `192.0.2.${at + 1}`, or_port: 443 }
          yield* sql`INSERT INTO relays ${sql.insert({ ...own, ...relay })}`
        }
        yield* updateFleetMetrics
        const text = yield* PrometheusMetrics.format()
        const nodes = yield* (yield* Nodes).list
        const relays = yield* (yield* Relays).list
        for (const state of ["waiting", "enabled", "disabled"] as const) {
          assert.strictEqual(
            stateIn(text, "nodes", state),
            nodes.filter((node) => stateOf(node) === state).length,
            state
          )
        }
        for (const state of ["unknown", "current", "behind", "rolled back", "ahead"] as const) {
          const expected = nodes.filter((node) => node.enabled && configurationStateOf(node, 41) === state).length
          assert.strictEqual(stateIn(text, "nodes_configuration", state), expected, state)
        }
        for (const state of ["alarm", "blocked", "new", "running"] as const) {
          assert.strictEqual(stateIn(text, "relays", state), relays.filter((one) => relayStateOf(one) === state).length)
        }
        const proven = nodes.filter((node) => stateOf(node) === "waiting" && isProven(node)).length
        assert.include(text, `patela_waiting_proven ${proven}\n`)
      }).pipe(Effect.provide(services)),
    { arbitrary: { runs: 15 } }
  )
})

describe("the listener of metrics", () => {
  it.live(
    "is apart, says how the server stands, and is not there unless it is asked for",
    () =>
      Effect.gen(function*() {
        const { server, ask, enrolled, folder } = yield* runningPatelaWith({ PATELA_METRICS: "127.0.0.1:0" })
        yield* enrolled
        yield* ask("/public/auth", JSON.stringify(softwareTpm().request))
        yield* ask("/nothing")
        yield* eventually("its line", () => /Metrics/.test(server.said()), 30_000)
        const at = /http:\/\/127\.0\.0\.1:\d+/.exec(server.said())?.[0] ?? ""
        const get = (path: string) =>
          Effect.promise(async () => {
            const answer = await fetch(`${at}${path}`)
            return { status: answer.status, text: await answer.text(), type: answer.headers.get("content-type") }
          })
        const { status, text, type } = yield* get("/metrics")
        assert.strictEqual(status, 200, text)
        assert.match(type ?? "", /^text\/plain/)
        assert.strictEqual(stateIn(text, "nodes", "enabled"), 1)
        assert.strictEqual(stateIn(text, "nodes", "waiting"), 1)
        for (
          const line of [
            "patela_auth_total{result=\"waiting\"} 2",
            "patela_auth_total{result=\"first\"} 1",
            "patela_auth_total{result=\"too often\"} 0",
            "patela_request_duration_seconds_count{route=\"other\",status=\"404\"} 1",
            "patela_waiting_limit 1000",
            "patela_relay_alarms 0"
          ]
        ) {
          assert.include(text, `${line}\n`)
        }
        assert.match(text, /^patela_request_duration_seconds_bucket\{.*route="\/public\/auth",.*\} 1$/m)
        assert.notInclude(text, "ed25519")
        const health = yield* get("/healthz")
        assert.strictEqual(health.status, 200)
        assert.match(health.text, /^\{"status":"ok","generation":\d+\}$/)
        assert.strictEqual((yield* get("/public/auth")).status, 404)
        assert.strictEqual((yield* ask("/metrics")).status, 404)
        assert.strictEqual((yield* ask("/healthz")).status, 404)
        const database = new DatabaseSync(`${folder}/patela.db`)
        database.exec("ALTER TABLE generation RENAME TO gone")
        database.close()
        const sick = yield* get("/healthz")
        assert.deepStrictEqual([sick.status, sick.type], [503, "application/problem+json"])
        assert.notInclude(sick.text, "generation")
        assert.strictEqual(yield* server.stop, 0)
      }),
    TIMEOUT
  )
})
