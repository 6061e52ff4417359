import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Effect, Layer, Schema } from "effect"
import { HttpRouter } from "effect/http"
import { PrometheusMetrics } from "effect/observability"
import { createServer } from "node:http"

/** The metrics cannot be served where they were asked for. */
export class MetricsNotServed extends Schema.TaggedError<MetricsNotServed>()("MetricsNotServed", {
  message: Schema.String
}) {}

/**
 * Serves the agent's metrics at `GET /metrics` in Prometheus' text format, over plain HTTP, for as long as the scope.
 * They hold names of relays and kinds, and no secret.
 */
export const serveMetrics = Effect.fn("serveMetrics")(function*({ host, port }: { host: string; port: number }) {
  yield* Layer.build(
    HttpRouter.serve(PrometheusMetrics.layerHttp(), { disableListenLog: true, disableLogger: true }).pipe(
      Layer.provide(NodeHttpServer.layer(() => createServer({ requestTimeout: 10_000 }), { host, port }))
    )
  ).pipe(
    Effect.catchTag("ServeError", ({ cause }) =>
      Effect.fail(
        new MetricsNotServed({
          message: `metrics cannot be served on ${host} port ${port}: ${
            cause instanceof Error ? cause.message : String(cause)
          }; choose another with --metrics HOST:PORT`
        })
      ))
  )
})
