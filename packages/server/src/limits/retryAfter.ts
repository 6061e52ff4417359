import { Effect } from "effect"
import { HttpEffect, HttpServerResponse } from "effect/http"

/** Says on the answer of this request when asking again may help (RFC 9110, section 10.2.3), in seconds. */
export const retryAfter = (seconds: number) =>
  HttpEffect.appendPreResponseHandler((_, response) =>
    Effect.succeed(HttpServerResponse.setHeader(response, "retry-after", String(seconds)))
  )
