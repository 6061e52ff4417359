import { Effect } from "effect"
import { connect, createServer, type Socket } from "node:net"

/** An address that goes where it is said to, as a name or an address of a service is moved from one machine to another. */
export const forwarder = Effect.fnUntraced(function*(first: number) {
  let target = first
  const open = new Set<Socket>()
  const keep = (socket: Socket) => {
    open.add(socket)
    socket.on("close", () => open.delete(socket))
    // Its end says it to the other.
    socket.on("error", () => {})
  }
  const server = createServer((here) => {
    const there = connect(target, "127.0.0.1")
    for (const socket of [here, there]) keep(socket)
    here.pipe(there).pipe(here)
    here.on("close", () => there.destroy())
    there.on("close", () => here.destroy())
  })
  yield* Effect.acquireRelease(
    Effect.callback<void>((resume) => {
      server.listen(0, "127.0.0.1", () => resume(Effect.void))
    }),
    () =>
      Effect.sync(() => {
        server.close()
        for (const socket of open) socket.destroy()
      })
  )
  const address = server.address()
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    /** Where new connections go; those that there are break off. */
    move: (port: number) =>
      Effect.sync(() => {
        target = port
        for (const socket of open) socket.destroy()
      })
  }
})
