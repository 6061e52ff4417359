import { ProblemDetails } from "effect/http"
import { type Server, ServerResponse } from "node:http"
import type { Duplex } from "node:stream"
import { problemOf } from "./problem.ts"

/** What a request header may have, in bytes: a token is some hundreds. */
export const MAX_HEADER = 16 * 1024

/** By Node's code of the error. */
const KNOWN: Readonly<Record<string, readonly [status: number, detail: string]>> = {
  HPE_HEADER_OVERFLOW: [431, `The header may have ${MAX_HEADER / 1024} KiB`],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [413, "The chunk extensions of the body are too long"],
  ERR_HTTP_REQUEST_TIMEOUT: [408, "The request did not come in time"]
}

/** Any other fault that its parser finds. */
const NONE = [400, "This is no HTTP/1.1 request (RFC 9112)"] as const

/** How long the other side may take to read that and close, in milliseconds (RFC 9112, section 9.6). */
const LINGER = 500

const written = (status: number, detail: string): string => {
  const body = JSON.stringify(problemOf(status, detail))
  return [
    `HTTP/1.1 ${status} ${problemOf(status, detail).title}`,
    `Content-Type: ${ProblemDetails.contentType}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    "Connection: close",
    "",
    body
  ].join("\r\n")
}

/** Whether an answer on the socket has begun, which a second one would make a mess of. */
const isAnswering = (socket: Duplex): boolean => {
  // Node's own handler of this event looks at the same field.
  const answer: unknown = Reflect.get(socket, "_httpMessage")
  return answer instanceof ServerResponse && answer.headersSent
}

/** Answers what never becomes a request with a problem too, and closes its connection. */
export const answerClientErrors = (server: Server): void => {
  const answered = new WeakSet<Duplex>()
  server.on("clientError", (error, socket) => {
    // What comes after a fault is a fault again, each time that something is read. It must not take the answer away.
    if (answered.has(socket)) return
    const code = "code" in error && typeof error.code === "string" ? error.code : ""
    const answer = KNOWN[code] ?? (code.startsWith("HPE_") ? NONE : undefined)
    // Who did not end a TLS handshake, or went away, cannot be told anything.
    if (answer === undefined || !socket.writable || isAnswering(socket)) {
      socket.destroy()
      return
    }
    answered.add(socket)
    const [status, detail] = answer
    socket.end(written(status, detail))
    // Not closed at once: with something unread, the kernel would reset the connection, and the answer could be lost.
    const linger = setTimeout(() => socket.destroy(), LINGER)
    socket.once("close", () => clearTimeout(linger))
  })
  server.on("checkExpectation", (_request, response) => {
    const body = JSON.stringify(problemOf(417, "This server meets no expectation but 100-continue"))
    response.writeHead(417, {
      "content-type": ProblemDetails.contentType,
      "content-length": Buffer.byteLength(body),
      connection: "close"
    })
    response.end(body)
  })
}
