import { HttpServerResponse, ProblemDetails } from "effect/http"
import { STATUS_CODES } from "node:http"

/** RFC 9110 gave these other names than Node has. */
const TITLES: Readonly<Record<number, string>> = { 413: "Content Too Large", 422: "Unprocessable Content" }

export const titleOf = (status: number): string => TITLES[status] ?? STATUS_CODES[status] ?? "Error"

/** A problem (RFC 9457) that is of no kind of its own: its status says what it is. */
export const problemOf = (status: number, detail: string) => ({
  type: ProblemDetails.blankType,
  status,
  title: titleOf(status),
  detail
})

/** The answer with such a problem. */
export const problem = (
  status: number,
  detail: string,
  headers: Readonly<Record<string, string>> = {}
): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.jsonUnsafe(problemOf(status, detail), {
    status,
    contentType: ProblemDetails.contentType,
    headers
  })
