import { Effect, Layer } from "effect"
import { HttpServerResponse } from "effect/http"
import { OpenAnswers } from "../../src/http/OpenAnswers.ts"

/** Answers that go on as streams of the web platform, for an API that is called without a socket. */
export const webAnswers = Layer.succeed(
  OpenAnswers,
  OpenAnswers.of({
    begin: (headers, { closed, drained }) =>
      Effect.sync(() => {
        let into: ReadableStreamDefaultController<Uint8Array> | undefined
        const body = new ReadableStream<Uint8Array>({
          start: (controller) => {
            into = controller
          },
          pull: drained,
          cancel: closed
        })
        const answer = {
          write: (bytes: Uint8Array) => {
            into?.enqueue(bytes)
            return (into?.desiredSize ?? 0) > 0
          },
          end: () => {
            into?.close()
            closed()
          }
        }
        return { answer, response: HttpServerResponse.raw(body, { headers }) }
      })
  })
)
