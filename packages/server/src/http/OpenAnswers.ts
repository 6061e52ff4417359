import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import { Context, Effect, Layer } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import { ServerResponse } from "node:http"

/** An answer that goes on after its request was served. */
export interface OpenAnswer {
  /** Whether the reader keeps up: where not, `drained` is called when it has. */
  readonly write: (bytes: Uint8Array) => boolean
  readonly end: () => void
}

/** Who is told what becomes of an answer. */
export interface Reader {
  readonly drained: () => void
  /** It is over, by whichever side; told once. */
  readonly closed: () => void
}

/** The answers of a server that may go on without a fiber: thousands of them do nothing for most of their time. */
export class OpenAnswers extends Context.Service<OpenAnswers, {
  /** Begins the answer, 200 with these headers. What is answered with in the end is `response`. */
  readonly begin: (
    headers: Readonly<Record<string, string>>,
    reader: Reader
  ) => Effect.Effect<
    { readonly answer: OpenAnswer; readonly response: HttpServerResponse.HttpServerResponse },
    never,
    HttpServerRequest.HttpServerRequest
  >
}>()("@patela/server/http/OpenAnswers") {
  /** Of an HTTP server of Node that makes its responses of `OpenResponse`. */
  static readonly layer = Layer.succeed(
    OpenAnswers,
    OpenAnswers.of({
      begin: (headers, reader) =>
        Effect.map(HttpServerRequest.HttpServerRequest, (request) => {
          const node = NodeHttpServerRequest.toServerResponse(request)
          if (!(node instanceof OpenResponse)) throw new TypeError("the server makes no OpenResponse")
          node.takeOver(headers, reader)
          const answer = { write: (bytes: Uint8Array) => node.write(bytes), end: () => void node.end() }
          return { answer, response: HttpServerResponse.empty({ status: 200 }) }
        })
    })
  )
}

/** A response of Node that whoever took it over writes, and Effect's server does not. */
export class OpenResponse extends ServerResponse {
  takeOver(headers: Readonly<Record<string, string>>, { closed, drained }: Reader): void {
    // Effect's server asks this before it writes, and before it interrupts who answers when the connection closes.
    Object.defineProperty(this, "writableEnded", { value: true })
    if (this.destroyed || this.req.socket.destroyed) return closed()
    this.on("close", closed)
    this.on("drain", drained)
    this.writeHead(200, headers)
    if (this.req.method === "HEAD") this.end()
  }
}
