import { Effect } from "effect"
import { connect, type Socket } from "node:net"
import { isWhole } from "../command/response.ts"
import { CannotConnect, type Connect, type Connection, ConnectionLost, systemCode } from "./Connection.ts"

const opened = (path: string): Effect.Effect<Socket, CannotConnect> =>
  Effect.callback((resume) => {
    const socket = connect({ path })
    socket.once("error", (cause) => resume(Effect.fail(new CannotConnect({ code: systemCode(cause) }))))
    socket.once("connect", () => {
      socket.removeAllListeners("error")
      // Whatever goes wrong later ends in "close".
      socket.on("error", () => {})
      resume(Effect.succeed(socket))
    })
    return Effect.sync(() => socket.destroy())
  })

const connectionOf = (socket: Socket): Connection => ({
  isOpen: () => !socket.destroyed && socket.readable && socket.writable,
  exchange: (command) =>
    Effect.callback((resume) => {
      let response = Buffer.alloc(0)
      const forget = () => socket.off("data", onData).off("close", onClose)
      const onData = (data: Buffer) => {
        response = Buffer.concat([response, data])
        if (!isWhole(response)) return
        forget()
        resume(Effect.succeed(response))
      }
      const onClose = () => {
        forget()
        resume(Effect.fail(new ConnectionLost()))
      }
      socket.on("data", onData).on("close", onClose)
      if (socket.destroyed) onClose()
      else socket.write(command)
      return Effect.sync(() => {
        forget()
        socket.destroy()
      })
    })
})

/** The data socket of a swtpm, which takes commands as they are (swtpm(8), --server type=unixio). */
export const socketConnection = (path: string): Connect =>
  Effect.map(
    Effect.acquireRelease(opened(path), (socket) => Effect.sync(() => socket.destroy()), { interruptible: true }),
    connectionOf
  )
