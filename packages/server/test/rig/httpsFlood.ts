import { Effect } from "effect"
import { Agent, request } from "node:https"

/** How often each status was answered, by status. */
export type Statuses = ReadonlyMap<number, number>

/** Posts each body to a path over so many kept connections, as fast as the server answers. */
export const httpsFlood = (input: {
  readonly port: number
  readonly ca: string
  readonly path: string
  readonly bodies: Iterable<string>
  readonly sockets: number
}): Effect.Effect<Statuses> =>
  Effect.acquireUseRelease(
    Effect.sync(() => new Agent({ keepAlive: true, maxSockets: input.sockets, ca: input.ca })),
    (agent) => {
      const { port, path } = input
      const statuses = new Map<number, number>()
      const post = (body: string) =>
        new Promise<void>((resolve, reject) => {
          const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) }
          const asking = request({ host: "127.0.0.1", port, path, agent, method: "POST", headers }, (response) => {
            const status = response.statusCode ?? 0
            statuses.set(status, (statuses.get(status) ?? 0) + 1)
            response.resume()
            response.on("end", resolve)
          })
          asking.on("error", reject)
          asking.end(body)
        })
      const bodies = input.bodies[Symbol.iterator]()
      const worker = async () => {
        for (let next = bodies.next(); next.done !== true; next = bodies.next()) await post(next.value)
      }
      return Effect.as(Effect.promise(() => Promise.all(Array.from({ length: input.sockets }, worker))), statuses)
    },
    (agent) => Effect.sync(() => agent.destroy())
  )
