import { Context, Effect, Layer } from "effect"
import type { Server } from "node:net"
import { numberSetting } from "./numberSetting.ts"
import { sourceOf } from "./sourceOf.ts"

/** How long a client may take, in milliseconds. Who is slower holds a socket for nothing. */
export interface Patience {
  /** For the TLS handshake. */
  readonly handshake: number
  /** For the header of a request, from the connection or the end of the request before on. */
  readonly header: number
  /** For the whole of a request, its body too. */
  readonly request: number
  /** Between two requests. What one piece of work asks comes at once; the next one makes a connection anew. */
  readonly idle: number
  /** In which nothing is read or written. Streams of events have a heartbeat every 15 s. */
  readonly silence: number
  /** How often header and request are looked at. */
  readonly look: number
}

const PATIENCE: Patience = {
  handshake: 10_000,
  header: 10_000,
  request: 30_000,
  idle: 2000,
  silence: 60_000,
  look: 1000
}

/** A fleet of some thousands, each with a stream of events and a request. */
const IN_ALL = 10_000

/** Nodes behind one router are one source, so a source may have much of it, and not all. */
const PER_SOURCE = 4000

export interface ConnectionCounts {
  readonly open: number
  readonly refused: number
}

interface Limits extends Patience {
  readonly inAll: number
  readonly perSource: number
}

/**
 * How many connections there may be, and how slow their clients. What is over a limit is closed at once, before its TLS
 * handshake: an answer would cost what the limit saves.
 */
export class Connections extends Context.Service<Connections, {
  readonly patience: Patience
  readonly counts: Effect.Effect<ConnectionCounts>
  /** Counts the connections of a server, and closes those that are too many. */
  readonly guard: (server: Server) => void
}>()("@patela/server/limits/Connections") {
  static readonly make = ({ inAll, perSource, ...patience }: Limits): Connections["Service"] => {
    const held = new Map<string, number>()
    let open = 0
    let refused = 0
    return {
      patience,
      counts: Effect.sync(() => ({ open, refused })),
      guard: (server) => {
        server.on("connection", (socket) => {
          const source = sourceOf(socket.remoteAddress)
          const mine = held.get(source) ?? 0
          if (open >= inAll || mine >= perSource) {
            refused += 1
            socket.destroy()
            return
          }
          open += 1
          held.set(source, mine + 1)
          socket.once("close", () => {
            open -= 1
            const left = (held.get(source) ?? 1) - 1
            if (left === 0) held.delete(source)
            else held.set(source, left)
          })
        })
      }
    }
  }

  /** From PATELA_CONNECTIONS and PATELA_CONNECTIONS_PER_SOURCE. */
  static readonly layer = Layer.effect(
    Connections,
    Effect.gen(function*() {
      const inAll = yield* numberSetting("PATELA_CONNECTIONS", "how many connections there may be", IN_ALL)
      const perSource = yield* numberSetting(
        "PATELA_CONNECTIONS_PER_SOURCE",
        "how many connections a source may have",
        PER_SOURCE
      )
      return Connections.of(Connections.make({ ...PATIENCE, inAll, perSource }))
    })
  )
}
