import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import type { ListenAddress } from "@patela/domain/net/ListenAddress"
import { Cause, Console, Effect, Layer, Schema } from "effect"
import { HttpServer, HttpServerRequest, HttpServerResponse } from "effect/http"
import { NetAddress } from "effect/net"
import { PrometheusMetrics } from "effect/observability"
import { createServer } from "node:http"
import { Generation } from "../generation/Generation.ts"
import { problem } from "../http/problem.ts"
import { setGeneration, updateFleetMetrics } from "./FleetMetrics.ts"
import { startAtZero } from "./RequestMetrics.ts"

/** The metrics cannot be served where they were asked for. */
export class MetricsNotServed extends Schema.TaggedError<MetricsNotServed>()("MetricsNotServed", {
  message: Schema.String
}) {}

/** How long the database may take to say something. */
const PATIENCE = "2 seconds"

/** A monitor or two ask. */
const MOST_CONNECTIONS = 100

const away = problem(503, "The database does not answer; the server's log says why")

const orAway = <R>(answer: Effect.Effect<HttpServerResponse.HttpServerResponse, unknown, R>) =>
  answer.pipe(
    Effect.timeout(PATIENCE),
    Effect.catchCause((cause) =>
      Cause.hasInterruptsOnly(cause)
        ? Effect.failCause(cause)
        : Effect.as(Effect.logError("the database does not answer a monitor", cause), away)
    ),
    Effect.orDie
  )

const metrics = orAway(Effect.gen(function*() {
  yield* setGeneration(yield* (yield* Generation).current)
  yield* updateFleetMetrics
  return HttpServerResponse.text(yield* PrometheusMetrics.format(), {
    contentType: "text/plain; version=0.0.4; charset=utf-8"
  })
}))

const health = orAway(Effect.gen(function*() {
  const generation = yield* (yield* Generation).current
  return HttpServerResponse.jsonUnsafe({ status: "ok", generation })
}))

/** No router: one that is built beside the API's would be the API's. */
const app = Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ method, url }) => {
  const [path] = url.split("?")
  if (path !== "/metrics" && path !== "/healthz") {
    return Effect.succeed(problem(404, "There is nothing here but /metrics and /healthz"))
  }
  if (method !== "GET" && method !== "HEAD") {
    return Effect.succeed(problem(405, "This path takes GET, HEAD", { allow: "GET, HEAD" }))
  }
  return path === "/metrics" ? metrics : health
})

const announce = Effect.gen(function*() {
  const { address } = yield* HttpServer.HttpServer
  yield* Console.log(`Metrics are at http://${NetAddress.formatSocketAddress(address)}/metrics`)
})

const server = () => {
  const made = createServer({ requestTimeout: 10_000, headersTimeout: 10_000, connectionsCheckingInterval: 1000 })
  made.maxConnections = MOST_CONNECTIONS
  made.setTimeout(30_000)
  return made
}

/**
 * Serves `GET /metrics` in Prometheus' text format and `GET /healthz`, which is 200 as long as the database answers, over
 * plain HTTP and to anybody who reaches it: how large the fleet is and how it stands, and no secret. So it listens nowhere
 * unless it is told where, and never where the nodes come to.
 */
export const layer = ({ host, port }: ListenAddress) =>
  Layer.effectDiscard(Effect.andThen(startAtZero, announce)).pipe(
    Layer.provideMerge(HttpServer.serve(app)),
    Layer.provide(NodeHttpServer.layer(server, { host, port, gracefulShutdownTimeout: "1 second" })),
    Layer.catchTag("ServeError", ({ cause }) =>
      Layer.effectDiscard(Effect.fail(
        new MetricsNotServed({
          message: `Metrics cannot be served on ${host} port ${port}: ${
            cause instanceof Error ? cause.message : "the system gave no reason"
          }. Choose another with --metrics HOST:PORT`
        })
      )))
  )
