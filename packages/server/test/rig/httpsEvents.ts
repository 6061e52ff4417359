import { Effect, Schema } from "effect"
import { request } from "node:https"

/** A stream of events over real TLS: what it said so far, and when it ended. */
export interface HttpsEvents {
  readonly text: () => string
  readonly ended: () => boolean
  /** It came to an end of its own, and was not broken off (RFC 9112, section 8). */
  readonly whole: () => boolean
}

/** The server did not open a stream. */
class NotOpened extends Schema.TaggedError<NotOpened>()("NotOpened", { message: Schema.String }) {}

/** Opens /private/events with a connection of its own, and closes it with the scope. */
export const httpsEvents = (
  input: { readonly port: number; readonly ca: string; readonly token: string }
) =>
  Effect.acquireRelease(
    Effect.callback<HttpsEvents & { readonly close: () => void }, Error>((resume) => {
      const { port, ca, token } = input
      const headers = { authorization: `Bearer ${token}` }
      const asking = request(
        { host: "127.0.0.1", port, path: "/private/events", ca, agent: false, headers },
        (response) => {
          let text = ""
          let ended = false
          response.on("data", (chunk) => {
            text += String(chunk)
          })
          response.on("close", () => {
            ended = true
          })
          // A server that breaks off is seen by `ended`.
          response.on("error", () => {})
          resume(
            response.statusCode === 200
              ? Effect.succeed({
                text: () => text,
                ended: () => ended,
                whole: () => response.complete,
                close: () => asking.destroy()
              })
              : Effect.fail(new NotOpened({ message: `the server answered ${response.statusCode}` }))
          )
        }
      )
      asking.on("error", (error) => resume(Effect.fail(error)))
      asking.end()
    }),
    ({ close }) => Effect.sync(close)
  )
