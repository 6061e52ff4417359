import { Schema } from "effect"
import type { IncomingMessage } from "node:http"
import { Agent, request } from "node:https"
import type { Tally, Timed } from "./Tally.ts"

/** Where the server is. */
export interface At {
  readonly port: number
  readonly ca: string
}

export interface Asked {
  readonly what: string
  readonly path: string
  /** Without one it is a GET. */
  readonly body?: unknown
  readonly token?: string
  readonly etag?: string
}

export interface Said {
  readonly status: number
  readonly text: string
  readonly etag: string | undefined
}

/** The server did not do what a node needs of it. */
export class NodeFault extends Schema.TaggedError<NodeFault>()("NodeFault", { message: Schema.String }) {}

const STREAM_PATH = "/private/events"

/**
 * The connections of one played node, as the agent has them: kept between requests, one more while a stream of events
 * holds the first. Shared with no other node.
 */
export class NodeClient {
  readonly #agent: Agent
  readonly #at: At
  readonly #tally: Tally
  #closed = false

  constructor(at: At, tally: Tally) {
    this.#at = at
    this.#tally = tally
    this.#agent = new Agent({ keepAlive: true, ca: at.ca, minVersion: "TLSv1.3" })
  }

  /** Asks, and takes the statuses that are named for an answer; every other is an error. */
  async ask(asked: Asked, statuses: ReadonlyArray<number>): Promise<Said> {
    const body = asked.body === undefined ? undefined : JSON.stringify(asked.body)
    const { answering, connected, connecting, said } = await this.#send(asked, body)
    this.#tally.requests.push({ what: asked.what, connected, connecting, answering })
    if (statuses.includes(said.status)) return said
    throw this.#fault(`${asked.what}: ${said.status} ${said.text.slice(0, 200)}`)
  }

  /** Opens the stream of events. `heard` is given the generation of each. */
  async events(token: string, heard: (generation: number) => void): Promise<void> {
    const response = await this.#open(token)
    if (response.statusCode !== 200) throw this.#fault(`events: ${response.statusCode}`)
    response.on("close", () => {
      if (!this.#closed) this.#fault("events: the server ended the stream")
    })
    // The close says it.
    response.on("error", () => {})
    response.setEncoding("utf8")
    response.on("data", (text: string) => {
      for (const [, generation] of text.matchAll(/data: \{"generation":(\d+)\}/g)) heard(Number(generation))
    })
  }

  close(): void {
    this.#closed = true
    this.#agent.destroy()
  }

  #fault(message: string): NodeFault {
    this.#tally.errors.push(message)
    return new NodeFault({ message })
  }

  #open(token: string): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const headers = { authorization: `Bearer ${token}` }
      const asking = request(
        { host: "127.0.0.1", path: STREAM_PATH, agent: this.#agent, headers, ...this.#at },
        resolve
      )
      asking.once("error", (error) => reject(this.#fault(`events: ${error.message}`)))
      asking.end()
    })
  }

  #send(
    { etag, path, token, what }: Asked,
    body: string | undefined
  ): Promise<Omit<Timed, "what"> & { readonly said: Said }> {
    return new Promise((resolve, reject) => {
      const began = performance.now()
      let ready = began
      const headers = {
        ...body === undefined ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(body) },
        ...token === undefined ? {} : { authorization: `Bearer ${token}` },
        ...etag === undefined ? {} : { "if-none-match": etag }
      }
      const method = body === undefined ? "GET" : "POST"
      const options = { host: "127.0.0.1", path, agent: this.#agent, method, headers, ...this.#at }
      const asking = request(options, (response) => {
        let text = ""
        response.setEncoding("utf8")
        response.on("data", (part: string) => {
          text += part
        })
        response.on("end", () => {
          const said = { status: response.statusCode ?? 0, text, etag: response.headers.etag }
          const connecting = ready - began
          resolve({ said, connected: asking.reusedSocket, connecting, answering: performance.now() - ready })
        })
      })
      asking.once("socket", (socket) => {
        if (socket.connecting) {
          socket.once("secureConnect", () => {
            ready = performance.now()
          })
        }
      })
      asking.once("error", (error) => reject(this.#fault(`${what}: ${error.message}`)))
      asking.end(body)
    })
  }
}
