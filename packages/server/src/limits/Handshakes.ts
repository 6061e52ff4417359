import { Effect } from "effect"
import type { Server, Socket } from "node:net"
import { sourceOf } from "./sourceOf.ts"

/** While so many handshakes and answers are under way, no handshake begins. */
export const BUSY = 16

/** Unless the one before was so long ago, in milliseconds: whoever keeps the server busy keeps nobody out. */
const LONGEST = 50

/** The two ends of a connection, as long as it is open. */
const nameOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`

/**
 * Lets handshakes begin one in a turn of the event loop, and while the server is not busy: one of each source after the
 * other, and of each in the order in which its connections came. A fleet that comes at once is served node by node so: those that have begun are answered soon, and the others
 * wait for their handshake and cost nothing meanwhile. Without it all handshakes come before the first answer, and every
 * node waits as long as the last. A source that sends connections without end holds up itself.
 */
export class Handshakes {
  /** By source, those whose turn was longest ago first; both keep the order in which they were put in. */
  readonly #waiting = new Map<string, Set<Socket>>()
  /** By the names of their connections, for the socket that a handshake ends with is another one. */
  readonly #under = new Set<string>()
  #begin: (socket: Socket) => void = () => {}
  #answering = 0
  #next: NodeJS.Immediate | undefined
  #atLast: NodeJS.Timeout | undefined
  readonly #longest: number

  /** `longest` is how long a handshake may wait for a server that is busy, after the one before it, in milliseconds. */
  constructor(longest = LONGEST) {
    this.#longest = longest
  }

  /**
   * Call it before anything else listens for the connections of this TLS server. `patience` is how long the first bytes
   * may take, in milliseconds; what follows is up to the server.
   */
  inTurn(server: Server, patience: number): void {
    const listeners = server.listeners("connection")
    server.removeAllListeners("connection")
    this.#begin = (socket) => {
      for (const listener of listeners) Reflect.apply(listener, server, [socket])
    }
    server.on("connection", (socket) => {
      const name = nameOf(socket)
      const source = sourceOf(socket.remoteAddress)
      socket.once("close", () => {
        this.#leave(source, socket)
        this.#ended(name)
      })
      // A socket that nobody listens to would end the process with its error.
      socket.on("error", () => {})
      const tired = () => socket.destroy()
      socket.setTimeout(patience, tired)
      socket.once("readable", () => {
        socket.setTimeout(0, tired)
        // The other side has closed.
        if (socket.readableLength === 0) socket.destroy()
        else this.#enter(source, socket)
      })
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

  #enter(source: string, socket: Socket): void {
    const others = this.#waiting.get(source)
    if (others === undefined) this.#waiting.set(source, new Set([socket]))
    else others.add(socket)
    this.#look()
  }

  #leave(source: string, socket: Socket): void {
    const others = this.#waiting.get(source)
    others?.delete(socket)
    if (others?.size === 0) this.#waiting.delete(source)
  }

  #look(): void {
    if (this.#waiting.size === 0 || this.#next !== undefined) return
    if (this.#answering + this.#under.size < BUSY) this.#next = setImmediate(() => this.#one())
    else this.#atLast ??= setTimeout(() => this.#one(), this.#longest)
  }

  #one(): void {
    clearTimeout(this.#atLast)
    clearImmediate(this.#next)
    this.#atLast = undefined
    this.#next = undefined
    const socket = this.#take()
    if (socket !== undefined) {
      this.#under.add(nameOf(socket))
      this.#begin(socket)
    }
    this.#look()
  }

  #take(): Socket | undefined {
    for (const [source, sockets] of this.#waiting) {
      this.#waiting.delete(source)
      for (const socket of sockets) {
        sockets.delete(socket)
        // Refused, or gone, and its close not told yet.
        if (socket.destroyed) continue
        if (sockets.size > 0) this.#waiting.set(source, sockets)
        return socket
      }
    }
    return undefined
  }
}
