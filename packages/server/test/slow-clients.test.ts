import { assert, describe, it } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import { connect } from "node:net"
import { Administration } from "../src/nodes/Administration.ts"
import { eventually } from "./rig/eventually.ts"
import { enlistMany, node1, tokenOf } from "./rig/Fleet.ts"
import type { httpsAsk } from "./rig/httpsAsk.ts"
import { rawTls } from "./rig/rawTls.ts"
import { servedApi } from "./rig/servedApi.ts"

const CLIENTS = 50
const TIMEOUT = 120_000

const problemIn = (text: string): unknown => JSON.parse(text.slice(text.indexOf("\r\n\r\n") + 4))

/** That another client is answered meanwhile. */
const served = Effect.fnUntraced(function*(ask: (path: string) => ReturnType<typeof httpsAsk>) {
  const start = performance.now()
  assert.strictEqual((yield* ask("/openapi.json")).status, 200)
  assert.isBelow(performance.now() - start, 10_000)
})

const many = <A, E, R>(one: Effect.Effect<A, E, R>) =>
  Effect.forEach(Array.from({ length: CLIENTS }), () => one, { concurrency: 20 })

/** Writes something again and again, so that a connection is never silent, until the scope ends. */
const dribble = (write: () => void) =>
  Effect.forkScoped(Effect.repeat(Effect.sync(write), Schedule.spaced("50 millis")))

describe("slow clients", () => {
  it.live(
    "that never end their header, or their body, are answered 408 and closed, and hold up nobody",
    () =>
      Effect.gen(function*() {
        const { port, pem, ask, counts } = yield* servedApi()
        const clients = yield* many(rawTls({ port, ca: pem }))
        const head =
          "POST /public/auth HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n"
        for (const [at, { write }] of clients.entries()) write(at % 2 === 0 ? head : `${head}\r\n{`)
        yield* dribble(() => {
          for (const [at, { write }] of clients.entries()) write(at % 2 === 0 ? `X-${at}: ${at}\r\n` : " ")
        })
        yield* served(ask)
        yield* eventually("the end of each", () => clients.every(({ closed }) => closed()), 30_000)
        for (const { text } of clients) {
          assert.match(text(), /^HTTP\/1\.1 408 Request Timeout\r\nContent-Type: application\/problem\+json\r\n/)
          assert.deepInclude(problemIn(text()), { type: "about:blank", status: 408, title: "Request Timeout" })
        }
        yield* served(ask)
        const { open } = yield* counts
        assert.isBelow(open, 3)
      }),
    TIMEOUT
  )

  it.live("that say nothing, before or after their handshake, are closed", () =>
    Effect.gen(function*() {
      const { port, pem, ask } = yield* servedApi()
      const silent = yield* many(rawTls({ port, ca: pem }))
      const ended: Array<boolean> = []
      const plain = yield* Effect.acquireRelease(
        Effect.sync(() =>
          Array.from({ length: CLIENTS }, (_, at) => {
            const socket = connect(port, "127.0.0.1")
            socket.on("error", () => {})
            // The end is heard only by who reads.
            socket.resume()
            socket.on("close", () => {
              ended[at] = true
            })
            return socket
          })
        ),
        (sockets) => Effect.sync(() => sockets.forEach((socket) => socket.destroy()))
      )
      yield* served(ask)
      yield* eventually(
        "the end of each",
        () => silent.every(({ closed }) => closed()) && plain.every((_, at) => ended[at] === true),
        30_000
      )
    }), TIMEOUT)

  it.live("that ask and never read are closed, a stream of events too", () =>
    Effect.gen(function*() {
      const { port, pem, ask, context, counts } = yield* servedApi()
      const token = yield* Effect.gen(function*() {
        yield* enlistMany(1)
        yield* (yield* Administration).setEnabled("test", node1, true)
        return yield* tokenOf(node1)
      }).pipe(Effect.provide(context))
      const stream = yield* rawTls({ port, ca: pem })
      stream.stopReading()
      stream.write(`GET /private/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n\r\n`)
      const greedy = yield* rawTls({ port, ca: pem })
      greedy.stopReading()
      // More than the kernel's buffers hold of the answers.
      greedy.write("GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n".repeat(2000))
      yield* served(ask)
      yield* Effect.repeat(counts, {
        until: ({ open }) => open === 0,
        schedule: Schedule.spaced("50 millis").pipe(Schedule.upTo({ duration: "30 seconds" }))
      })
      assert.strictEqual((yield* counts).open, 0)
      yield* served(ask)
    }), TIMEOUT)
})

describe("connections", () => {
  it.live(
    "are refused over the limits, of one source and in all, and free again when one is closed",
    () =>
      Effect.gen(function*() {
        for (const limits of [{ perSource: 5 }, { inAll: 5 }]) {
          const { port, pem, ask, counts } = yield* servedApi({
            ...limits,
            header: 20_000,
            request: 30_000,
            silence: 20_000
          })
          const [first, ...rest] = yield* Effect.forEach(Array.from({ length: 5 }), () => rawTls({ port, ca: pem }))
          for (let tries = 0; tries < 20; tries += 1) yield* Effect.flip(Effect.scoped(rawTls({ port, ca: pem })))
          assert.deepStrictEqual(yield* counts, { open: 5, refused: 20 })
          assert.isTrue(rest.every(({ closed }) => !closed()))
          first?.close()
          yield* Effect.repeat(counts, {
            until: ({ open }) => open === 4,
            schedule: Schedule.spaced("20 millis").pipe(Schedule.upTo({ duration: "30 seconds" }))
          })
          yield* served(ask)
        }
      }),
    TIMEOUT
  )
})
