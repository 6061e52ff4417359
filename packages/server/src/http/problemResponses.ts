import { Cause, Effect, Layer } from "effect"
import { HttpRouter, HttpServerError, HttpServerResponse, ProblemDetails } from "effect/http"

const problem = (status: number, title: string, detail: string) =>
  HttpServerResponse.jsonUnsafe(
    { type: ProblemDetails.blankType, status, title, detail },
    { status, contentType: ProblemDetails.contentType }
  )

const tooLarge = problem(413, "Content Too Large", "A request body may have 64 KiB")
const failed = problem(500, "Internal Server Error", "The server could not do this; its log says why")
const notFound = problem(404, "Not Found", "There is nothing at this path")

const isTooLarge = (defect: unknown): boolean =>
  defect instanceof HttpServerError.HttpServerError && defect.reason._tag === "RequestParseError" &&
  defect.reason.reason === "BodyTooLarge"

/** Defects become problems (RFC 9457); what went wrong goes to the log, and never to the one who asked. */
const defects = HttpRouter.middleware(
  (httpEffect) =>
    Effect.catchDefect(httpEffect, (defect) => {
      if (HttpServerResponse.isHttpServerResponse(defect)) return Effect.die(defect)
      if (isTooLarge(defect)) return Effect.succeed(tooLarge)
      return Effect.as(Effect.logError("a request failed", Cause.die(defect)), failed)
    }),
  { global: true }
)

/** Answers that no endpoint declares: an unknown path, a body that is too large, a failure of the server's own. */
export const problemResponses = Layer.mergeAll(defects, HttpRouter.add("*", "/*", Effect.succeed(notFound)))
