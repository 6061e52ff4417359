import type { Server, Socket } from "node:net"

/**
 * Has a server begin one handshake in each turn of the event loop, in the order in which connections came. A fleet that
 * comes at once is served node by node so: those that have begun are answered soon, the others wait for their handshake
 * and cost nothing meanwhile. Without it all handshakes come before the first answer, and every node waits for the slowest.
 *
 * Nobody holds a turn: a client that does not go on with its handshake delays no other. Who leaves is left out.
 * Call it before anything else listens for connections.
 */
export const handshakesInTurn = (server: Server): void => {
  const begin = server.listeners("connection")
  server.removeAllListeners("connection")
  // In the order of their coming, which a Set keeps.
  const waiting = new Set<Socket>()
  let running = false
  const turn = () => {
    for (const socket of waiting) {
      waiting.delete(socket)
      // Refused, or gone, and its close not told yet.
      if (socket.destroyed) continue
      for (const listener of begin) Reflect.apply(listener, server, [socket])
      setImmediate(turn)
      return
    }
    running = false
  }
  server.on("connection", (socket) => {
    waiting.add(socket)
    socket.once("close", () => waiting.delete(socket))
    // A socket that nobody listens to would end the process with its error.
    socket.on("error", () => {})
    if (running) return
    running = true
    setImmediate(turn)
  })
}
