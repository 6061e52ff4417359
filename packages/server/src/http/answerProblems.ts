import { Cause, Effect } from "effect"
import { HttpServerError, HttpServerRequest, HttpServerResponse, ProblemDetails } from "effect/http"
import { IncomingMessage } from "node:http"
import { routeOf } from "./apiRoutes.ts"
import { problem } from "./problem.ts"

/** What a request may take from its last byte to its answer. A database that hangs must not hold what asks it for ever. */
const LONGEST = "30 seconds"

const DETAILS: Readonly<Record<number, string>> = {
  404: "There is nothing at this path",
  413: "The body is larger than this path takes, which is 64 KiB for most",
  415: "The body is JSON, and its Content-Type is application/json"
}

const MALFORMED = "The body cannot be read"

const isProblem = ({ headers }: HttpServerResponse.HttpServerResponse): boolean =>
  headers["content-type"]?.startsWith(ProblemDetails.contentType) === true

/** An answer of some library that says what is wrong in its own way, as a problem; its other headers stay. */
const asProblem = (response: HttpServerResponse.HttpServerResponse): HttpServerResponse.HttpServerResponse => {
  if (response.status < 400 || isProblem(response)) return response
  const { "content-type": _type, "content-length": _length, ...headers } = response.headers
  return problem(response.status, DETAILS[response.status] ?? "This request cannot be served as it is", headers)
}

const failed = problem(500, "The server could not do this; its log says why")
const tooLong = problem(503, "The server took too long for this and gave it up; ask again later", {
  "retry-after": "5"
})

const ofServerError = (
  { reason }: HttpServerError.HttpServerError
): HttpServerResponse.HttpServerResponse | undefined => {
  if (reason._tag === "RouteNotFound") return problem(404, DETAILS[404] ?? "")
  if (reason._tag !== "RequestParseError") return undefined
  // The rest of the body is not read, so nothing else can come by this connection.
  return reason.reason === "BodyTooLarge"
    ? problem(413, DETAILS[413] ?? "", { connection: "close" })
    : problem(400, MALFORMED, { connection: "close" })
}

/** RFC 9112, section 3.2. Node would answer this by itself, and without a problem. */
const lacksHost = ({ source }: HttpServerRequest.HttpServerRequest): boolean =>
  source instanceof IncomingMessage && source.httpVersion === "1.1" && source.headers.host === undefined

/** The answer where no endpoint is: 405 with the methods of the path (RFC 9110, section 15.5.6), or 404. */
export const noEndpoint = Effect.map(HttpServerRequest.HttpServerRequest, ({ url }) => {
  const route = routeOf(url)
  return route === undefined
    ? problem(404, DETAILS[404] ?? "")
    : problem(405, `This path takes ${route.methods.join(", ")}`, { allow: route.methods.join(", ") })
})

/**
 * Every answer that is an error is a problem (RFC 9457), also those that no endpoint declares. What went wrong inside goes to
 * the log, and never to the one who asked.
 */
export const answerProblems = <E, R>(
  app: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>
): Effect.Effect<HttpServerResponse.HttpServerResponse, E, R | HttpServerRequest.HttpServerRequest> =>
  Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) =>
    lacksHost(request)
      ? Effect.succeed(problem(400, "The header Host is missing", { connection: "close" }))
      : app.pipe(
        Effect.timeoutOrElse({ duration: LONGEST, orElse: () => Effect.succeed(tooLong) }),
        Effect.map(asProblem),
        Effect.catchDefect((defect) => {
          if (HttpServerResponse.isHttpServerResponse(defect)) return Effect.die(defect)
          const known = defect instanceof HttpServerError.HttpServerError ? ofServerError(defect) : undefined
          if (known !== undefined) return Effect.succeed(known)
          return Effect.as(Effect.logError("a request failed", Cause.die(defect)), failed)
        }),
        Effect.catch((error) => {
          const known = error instanceof HttpServerError.HttpServerError ? ofServerError(error) : undefined
          return known === undefined ? Effect.fail(error) : Effect.succeed(known)
        })
      ))
