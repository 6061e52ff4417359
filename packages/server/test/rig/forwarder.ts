import { Effect } from "effect"
import { connect, createServer, type Socket } from "node:net"

/**
 * An address that goes where it is said to, as a name or an address of a service is moved from one machine to another. It
 * may also be cut off without a word: connections stay as they are, and nothing comes of what is said.
 */
export const forwarder = Effect.fnUntraced(function*(first: number) {
  let target = first
  let silent = false
  let unheard = 0
  const open = new Set<Socket>()
  const keep = (socket: Socket) => {
    open.add(socket)
    socket.on("close", () => open.delete(socket))
    // Its end says it to the other.
    socket.on("error", () => {})
  }
  const pass = (from: Socket, to: Socket) => {
    from.on("data", (data) => {
      if (silent) unheard += 1
      else to.write(data)
    })
    from.on("end", () => {
      if (!silent) to.end()
    })
    from.on("close", () => {
      if (!silent) to.destroy()
    })
  }
  const server = createServer((here) => {
    const there = connect(target, "127.0.0.1")
    for (const socket of [here, there]) keep(socket)
    pass(here, there)
    pass(there, here)
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
      }),
    /** From now on nothing is passed on, and nobody is told, or all is again of what is said from then on. */
    cutOff: (cut: boolean) =>
      Effect.sync(() => {
        silent = cut
      }),
    /** How many pieces of what was said came nowhere. */
    unheard: () => unheard
  }
})
