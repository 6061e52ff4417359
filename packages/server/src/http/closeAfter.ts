import { Effect } from "effect"
import { HttpEffect, HttpServerResponse } from "effect/http"

/** Has the connection of this request end with its answer (RFC 9112, section 9.6). */
export const closeAfter = HttpEffect.appendPreResponseHandler((_, response) =>
  Effect.succeed(HttpServerResponse.setHeader(response, "connection", "close"))
)
