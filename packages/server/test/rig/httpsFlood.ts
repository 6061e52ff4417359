import { Effect } from "effect"
import { Agent, request } from "node:https"

/** How often each status was answered, by status. */
export type Statuses = ReadonlyMap<number, number>

export interface FloodRequest {
  readonly path: string
  /** Without one it is a GET. */
  readonly body?: string
  readonly token?: string
  /** Otherwise GET, or POST where it has a body. */
  readonly method?: string
  /** In the place of those that it would have by itself. */
  readonly headers?: Readonly<Record<string, string>>
}

/** Sends each request over so many kept connections, as fast as the server answers. */
export const httpsFlood = (input: {
  readonly port: number
  readonly ca: string
  readonly requests: Iterable<FloodRequest>
  readonly sockets: number
  /** Sees each answer's status, with what it answers. */
  readonly saw?: (status: number, request: FloodRequest) => void
}): Effect.Effect<Statuses> =>
  Effect.acquireUseRelease(
    Effect.sync(() => new Agent({ keepAlive: true, maxSockets: input.sockets, ca: input.ca })),
    (agent) => {
      const statuses = new Map<number, number>()
      const send = (one: FloodRequest) =>
        new Promise<void>((resolve, reject) => {
          const { path, body, token } = one
          const headers = {
            ...body === undefined
              ? {}
              : { "content-type": "application/json", "content-length": Buffer.byteLength(body) },
            ...token === undefined ? {} : { authorization: `Bearer ${token}` },
            ...one.headers
          }
          const method = one.method ?? (body === undefined ? "GET" : "POST")
          const asking = request({ host: "127.0.0.1", port: input.port, path, agent, method, headers }, (response) => {
            const status = response.statusCode ?? 0
            statuses.set(status, (statuses.get(status) ?? 0) + 1)
            input.saw?.(status, one)
            // A stream of events has no end of its own.
            if (response.headers["content-type"] === "text/event-stream") {
              asking.destroy()
              resolve()
              return
            }
            response.resume()
            response.on("end", resolve)
          })
          asking.on("error", reject)
          asking.end(body)
        })
      const requests = input.requests[Symbol.iterator]()
      const worker = async () => {
        for (let next = requests.next(); next.done !== true; next = requests.next()) await send(next.value)
      }
      return Effect.as(Effect.promise(() => Promise.all(Array.from({ length: input.sockets }, worker))), statuses)
    },
    (agent) => Effect.sync(() => agent.destroy())
  )
