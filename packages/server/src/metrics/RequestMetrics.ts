import { Clock, Effect, Metric } from "effect"
import { HttpServerRequest, type HttpServerResponse } from "effect/http"
import { routeOf } from "../http/apiRoutes.ts"

const requestSeconds = Metric.histogram("patela_request_duration_seconds", {
  description: "How long requests took from their header to their answer's, by path of the API and status.",
  boundaries: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
})

const authTotal = Metric.counter("patela_auth_total", {
  description: "Answers to machines that authenticate, by what became of it.",
  incremental: true
})

/** What a status of POST /public/auth means (docs/protocol.md). */
const AUTH_RESULTS: Readonly<Record<number, string>> = {
  200: "again",
  201: "first",
  400: "malformed",
  401: "waiting",
  403: "tier too low",
  429: "too often"
}

const RESULTS = [...Object.values(AUTH_RESULTS), "other"]

const authResults = new Map(RESULTS.map((result) => [result, Metric.withAttributes(authTotal, { result })]))

const timers = new Map<string, ReturnType<typeof timer>>()

const timer = (route: string, status: string) => Metric.withAttributes(requestSeconds, { route, status })

/** Paths are those of the API and `other`, so there are never more series than those times the statuses. */
const timerOf = (route: string, status: number): ReturnType<typeof timer> => {
  const key = `${status} ${route}`
  const made = timers.get(key) ?? timer(route, String(status))
  timers.set(key, made)
  return made
}

/** Counts a request and how long it took. */
export const measured = <E, R>(
  app: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>
): Effect.Effect<HttpServerResponse.HttpServerResponse, E, R | HttpServerRequest.HttpServerRequest> =>
  Effect.gen(function*() {
    const { method, url } = yield* HttpServerRequest.HttpServerRequest
    const start = yield* Clock.currentTimeNanos
    const response = yield* app
    const seconds = Number((yield* Clock.currentTimeNanos) - start) / 1e9
    const route = routeOf(url)?.path ?? "other"
    yield* Metric.update(timerOf(route, response.status), seconds)
    if (method === "POST" && route === "/public/auth") {
      const result = authResults.get(AUTH_RESULTS[response.status] ?? "other")
      if (result !== undefined) yield* Metric.update(result, 1)
    }
    return response
  })

/** Makes the series of authentication be there with 0 before anything happened, as Prometheus likes it. */
export const startAtZero: Effect.Effect<void> = Effect.forEach(
  authResults.values(),
  (result) => Metric.update(result, 0),
  { discard: true }
)
