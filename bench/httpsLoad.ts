import { Effect } from "effect"
import { Agent, request } from "node:https"

/** Without a body it is a GET. */
export interface LoadRequest {
  readonly path: string
  readonly body?: string
  readonly token?: string
}

/** What a server did under load. `millis` has the time from each request to the end of its answer. */
export interface Load {
  readonly millis: ReadonlyArray<number>
  readonly statuses: ReadonlyArray<number>
  /** In the order of the requests. */
  readonly texts: ReadonlyArray<string>
}

/** Sends all requests over so many kept connections, each as soon as the answer before it is there. */
export const httpsLoad = (input: {
  readonly port: number
  readonly ca: string
  readonly requests: ReadonlyArray<LoadRequest>
  readonly sockets: number
}): Effect.Effect<Load> =>
  Effect.acquireUseRelease(
    Effect.sync(() => new Agent({ keepAlive: true, maxSockets: input.sockets, ca: input.ca })),
    (agent) => {
      const millis: Array<number> = []
      const statuses: Array<number> = []
      const texts: Array<string> = []
      const send = ({ body, path, token }: LoadRequest, at: number) =>
        new Promise<void>((resolve, reject) => {
          const began = performance.now()
          const headers = {
            ...body === undefined
              ? {}
              : { "content-type": "application/json", "content-length": Buffer.byteLength(body) },
            ...token === undefined ? {} : { authorization: `Bearer ${token}` }
          }
          const method = body === undefined ? "GET" : "POST"
          const asking = request({ host: "127.0.0.1", port: input.port, path, agent, method, headers }, (response) => {
            const parts: Array<Buffer> = []
            response.on("data", (part: Buffer) => parts.push(part))
            response.on("end", () => {
              millis.push(performance.now() - began)
              statuses[at] = response.statusCode ?? 0
              texts[at] = Buffer.concat(parts).toString("utf8")
              resolve()
            })
          })
          asking.on("error", reject)
          asking.end(body)
        })
      const requests = input.requests.entries()
      const worker = async () => {
        for (const [at, one] of requests) await send(one, at)
      }
      return Effect.promise(async () => {
        await Promise.all(Array.from({ length: input.sockets }, worker))
        return { millis, statuses, texts }
      })
    },
    (agent) => Effect.sync(() => agent.destroy())
  )
