import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Schema } from "effect"
import { connect, createServer, type Server, type Socket } from "node:net"
import { BUSY, Handshakes } from "../src/limits/Handshakes.ts"
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
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      counting = false
    })
  )
  return () => turns
})

const turn = Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))

const until = Effect.fnUntraced(function*(done: () => boolean) {
  for (let look = 0; look < 200_000 && !done(); look++) yield* turn
  assert.isTrue(done())
})

/** How long a client may say nothing, in milliseconds. */
const PATIENCE = 200

/** A server that says hello once a handshake would begin, and its clients. */
const house = Effect.gen(function*() {
  const turns = yield* countTurns
  const handshakes = new Handshakes()
  const begun: Array<number> = []
  const server = createServer((socket) => {
    begun.push(turns())
    assert.isAbove(socket.readableLength, 0, "its first bytes are there")
    socket.end("hello")
  })
  handshakes.inTurn(server, PATIENCE)
  const port = yield* listening(server)
  const ended: Array<string> = []
  const come = (localAddress = "127.0.0.1", first = "hello?") => {
    let said = ""
    const client = connect({ port, host: "127.0.0.1", localAddress })
    if (first !== "") client.write(first)
    client.on("data", (data) => {
      said += String(data)
    })
    client.on("error", () => {})
    client.on("close", () => ended.push(said))
  }
  /** Comes and goes without a word. */
  const leave = () => {
    const client = connect({ port, host: "127.0.0.1" }, () => client.end())
    client.on("error", () => {})
  }
  return { handshakes, server, begun, ended, come, leave }
})

describe("handshakes", () => {
  it.live.prop(
    "of a crowd begin one in each turn of the loop, and all do, but for who left",
    [Schema.Array(Schema.Boolean).pipe(Schema.check(Schema.isMaxLength(40)))],
    ([crowd]) =>
      Effect.scoped(Effect.gen(function*() {
        const { begun, come, ended, server } = yield* house
        let accepted = 0
        server.on("connection", (socket) => {
          // As the limit of connections does.
          if (crowd[accepted] === false) socket.destroy()
          accepted += 1
        })
        for (const _ of crowd) come()
        yield* until(() => ended.length === crowd.length)
        const stayed = crowd.filter((stays) => stays).length
        assert.strictEqual(ended.filter((said) => said === "hello").length, stayed)
        assert.strictEqual(new Set(begun).size, stayed)
      })),
    runs(100)
  )

  it.live("wait while many requests are being answered, and not for ever", () =>
    Effect.gen(function*() {
      const { begun, come, handshakes } = yield* house
      const answer = yield* Deferred.make<void>()
      const asked = yield* Effect.forkChild(
        Effect.all(Array.from({ length: BUSY }, () => handshakes.counted(Deferred.await(answer))), {
          concurrency: "unbounded"
        })
      )
      yield* turn
      const start = performance.now()
      for (let client = 0; client < 20; client++) come()
      yield* until(() => begun.length === 2)
      assert.isAtLeast(performance.now() - start, 75)
      assert.isBelow(begun.length, 5)
      yield* Deferred.succeed(answer, undefined)
      yield* Fiber.join(asked)
      yield* until(() => begun.length === 20)
    }))

  it.live("wait while many are under way, and not for those that ended, well or badly", () =>
    Effect.gen(function*() {
      const { begun, come, server } = yield* house
      const open: Array<Socket> = []
      // These never end: their clients say nothing, and nobody closes them.
      server.prependListener("connection", (socket) => {
        open.push(socket)
        socket.end = () => socket
      })
      for (let client = 0; client < 40; client++) come()
      yield* until(() => begun.length === BUSY)
      yield* turn
      const start = performance.now()
      yield* until(() => begun.length === BUSY + 2)
      assert.isAtLeast(performance.now() - start, 40)
      // Each of those that end makes room for one more.
      for (const { remoteAddress, remotePort } of open.slice(0, 5)) {
        server.emit("secureConnection", { remoteAddress, remotePort })
      }
      yield* turn
      yield* until(() => begun.length >= BUSY + 5)
      assert.isBelow(performance.now() - start, 250)
    }))

  it.live("of a source that comes now and then do not wait for those of one that floods", () =>
    Effect.gen(function*() {
      const { come, handshakes, server } = yield* house
      const order: Array<string> = []
      server.on("connection", (socket) => {
        socket.end = () => {
          order.push(String(socket.remoteAddress))
          return socket
        }
      })
      const answer = yield* Deferred.make<void>()
      // Nothing begins by itself while so many are answered.
      yield* Effect.forkChild(
        Effect.all(Array.from({ length: BUSY }, () => handshakes.counted(Deferred.await(answer))), {
          concurrency: "unbounded"
        })
      )
      yield* turn
      for (let client = 0; client < 200; client++) come()
      yield* until(() => server.listenerCount("connection") > 0 && order.length >= 1)
      come("127.0.0.2")
      yield* until(() => order.includes("127.0.0.2"))
      assert.isBelow(order.indexOf("127.0.0.2"), 8)
      yield* Deferred.succeed(answer, undefined)
    }))

  it.live("wait for no request that failed, or whose client left", () =>
    Effect.gen(function*() {
      const { begun, come, handshakes } = yield* house
      for (let request = 0; request < 40; request++) {
        yield* Effect.ignore(handshakes.counted(Effect.fail("no")))
        yield* Fiber.interrupt(yield* Effect.forkChild(handshakes.counted(Effect.never)))
      }
      const start = performance.now()
      come()
      come()
      yield* until(() => begun.length === 2)
      assert.isBelow(performance.now() - start, 45)
    }))

  it.live("begin for none that says nothing, which is closed in time", () =>
    Effect.gen(function*() {
      const { begun, come, ended } = yield* house
      for (let silent = 0; silent < 20; silent += 1) come("127.0.0.1", "")
      come()
      yield* until(() => ended.length === 1)
      assert.deepStrictEqual(ended, ["hello"])
      yield* until(() => ended.length === 21)
      assert.deepStrictEqual([begun.length, ended.filter((said) => said === "").length], [1, 20])
    }))

  it.live("begin for none that closes before it says anything", () =>
    Effect.gen(function*() {
      const { begun, leave, server } = yield* house
      let open = 0
      server.on("connection", (socket) => {
        open += 1
        socket.on("close", () => (open -= 1))
      })
      for (let silent = 0; silent < 20; silent += 1) leave()
      yield* until(() => open > 0)
      yield* until(() => open === 0)
      assert.strictEqual(begun.length, 0)
    }))
})
