import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { connect, createServer, type Server, type Socket } from "node:net"
import { handshakesInTurn } from "../src/limits/handshakesInTurn.ts"
import { runs } from "./rig/runs.ts"

const listening = (server: Server) =>
  Effect.acquireRelease(
    Effect.callback<number>((resume) => {
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0))
      })
    }),
    () => Effect.sync(() => server.close())
  )

/** Counts the turns of the event loop until the scope ends. */
const countTurns = Effect.gen(function*() {
  let turns = 0
  let counting = true
  const next = () => {
    turns += 1
    if (counting) setImmediate(next)
  }
  setImmediate(next)
  yield* Effect.addFinalizer(() => Effect.sync(() => (counting = false)))
  return () => turns
})

const soon = (done: () => boolean) =>
  Effect.promise(async () => {
    for (let look = 0; look < 5000 && !done(); look++) await new Promise((resolve) => setImmediate(resolve))
    assert.isTrue(done())
  })

describe("handshakes", () => {
  it.live.prop(
    "of a crowd begin one in each turn of the loop, and all do, but for who left",
    [Schema.Array(Schema.Boolean).pipe(Schema.check(Schema.isMaxLength(40)))],
    ([crowd]) =>
      Effect.scoped(Effect.gen(function*() {
        const turns = yield* countTurns
        const begun: Array<number> = []
        const accepted: Array<Socket> = []
        const server = createServer((socket) => {
          begun.push(turns())
          socket.end("hello")
        })
        handshakesInTurn(server)
        server.on("connection", (socket) => {
          accepted.push(socket)
          // As the limit of connections does.
          if (crowd[accepted.length - 1] === false) socket.destroy()
        })
        const port = yield* listening(server)
        const ended: Array<string> = []
        for (const _ of crowd) {
          const client = connect(port, "127.0.0.1")
          let said = ""
          client.on("data", (data) => {
            said += String(data)
          })
          client.on("error", () => {})
          client.on("close", () => ended.push(said))
        }
        yield* soon(() => ended.length === crowd.length)
        const stayed = crowd.filter((stays) => stays).length
        assert.strictEqual(ended.filter((said) => said === "hello").length, stayed)
        assert.strictEqual(new Set(begun).size, stayed)
      })),
    runs(100)
  )
})
