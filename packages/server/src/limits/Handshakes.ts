import { Effect } from "effect"
import type { Server, Socket } from "node:net"

/** While so many handshakes and answers are under way, no handshake begins. */
const BUSY = 32

/** Unless the one before was so long ago, in milliseconds: whoever keeps the server busy keeps nobody out. */
const LONGEST = 50

/** The two ends of a connection, as long as it is open. */
const nameOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`

/**
 * Lets handshakes begin in the order in which connections came, one in a turn of the event loop, and while the server is
 * not busy. A fleet that comes at once is served node by node so: those that have begun are answered soon, and the others
 * wait for their handshake and cost nothing meanwhile. Without it all handshakes come before the first answer, and every
 * node waits as long as the last.
 */
export class Handshakes {
  /** In the order of their coming, which a Set keeps. */
  readonly #waiting = new Set<Socket>()
  /** By the names of their connections, for the socket that a handshake ends with is another one. */
  readonly #under = new Set<string>()
  #begin: (socket: Socket) => void = () => {}
  #answering = 0
  #next: NodeJS.Immediate | undefined
  #atLast: NodeJS.Timeout | undefined

  /** Call it before anything else listens for the connections of this TLS server. */
  inTurn(server: Server): void {
    const listeners = server.listeners("connection")
    server.removeAllListeners("connection")
    this.#begin = (socket) => {
      for (const listener of listeners) Reflect.apply(listener, server, [socket])
    }
    server.on("connection", (socket) => {
      const name = nameOf(socket)
      this.#waiting.add(socket)
      socket.once("close", () => {
        this.#waiting.delete(socket)
        this.#ended(name)
      })
      // A socket that nobody listens to would end the process with its error.
      socket.on("error", () => {})
      this.#look()
    })
    server.on("secureConnection", (socket: Socket) => this.#ended(nameOf(socket)))
  }

  /** Counts a request while it is being answered. A stream of events is answered as soon as it begins. */
  readonly counted = <A, E, R>(answer: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.suspend(() => {
      this.#answering += 1
      return Effect.ensuring(answer, this.#answered)
    })

  readonly #answered = Effect.sync(() => {
    this.#answering -= 1
    this.#look()
  })

  #ended(name: string): void {
    if (this.#under.delete(name)) this.#look()
  }

  #look(): void {
    if (this.#waiting.size === 0 || this.#next !== undefined) return
    if (this.#answering + this.#under.size < BUSY) this.#next = setImmediate(() => this.#one())
    else this.#atLast ??= setTimeout(() => this.#one(), LONGEST)
  }

  #one(): void {
    clearTimeout(this.#atLast)
    clearImmediate(this.#next)
    this.#atLast = undefined
    this.#next = undefined
    for (const socket of this.#waiting) {
      this.#waiting.delete(socket)
      // Refused, or gone, and its close not told yet.
      if (socket.destroyed) continue
      this.#under.add(nameOf(socket))
      this.#begin(socket)
      break
    }
    this.#look()
  }
}
