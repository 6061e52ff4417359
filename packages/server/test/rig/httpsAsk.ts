import { Effect } from "effect"
import { request } from "node:https"
import { TLSSocket } from "node:tls"

export interface HttpsAnswer {
  readonly status: number
  readonly text: string
  readonly type: string
  readonly protocol: string | null
}

/** One request over real TLS, with the server's certificate as the only root. */
export const httpsAsk = (input: {
  readonly port: number
  readonly ca: string
  readonly path: string
  readonly body?: string
  readonly token?: string
  readonly maxVersion?: "TLSv1.2" | "TLSv1.3"
}) =>
  Effect.callback<HttpsAnswer, Error>((resume) => {
    const { port, ca, path, body, token, maxVersion = "TLSv1.3" } = input
    const asking = request(
      {
        host: "127.0.0.1",
        port,
        path,
        ca,
        maxVersion,
        agent: false,
        method: body === undefined ? "GET" : "POST",
        headers: {
          ...body === undefined
            ? {}
            : { "content-type": "application/json", "content-length": Buffer.byteLength(body) },
          ...token === undefined ? {} : { authorization: `Bearer ${token}` }
        }
      },
      (response) => {
        const protocol = response.socket instanceof TLSSocket ? response.socket.getProtocol() : null
        let text = ""
        response.on("data", (chunk) => {
          text += String(chunk)
        })
        response.on("end", () =>
          resume(Effect.succeed({
            status: response.statusCode ?? 0,
            text,
            type: response.headers["content-type"] ?? "",
            protocol
          })))
      }
    )
    asking.on("error", (error) => resume(Effect.fail(error)))
    asking.end(body)
  })
