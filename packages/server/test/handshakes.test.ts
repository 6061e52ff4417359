import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Schema } from "effect"
import { connect, createServer, type Server, type Socket } from "node:net"
import { BUSY, Handshakes } from "../src/limits/Handshakes.ts"
import { eventually } from "./rig/eventually.ts"
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

const until = (done: () => boolean) => eventually("what the test waits for", done, 30_000)

/** In milliseconds. What has to wait for so long is not seen by a test. */
const NEVER = 3_600_000

/** A server that says hello once a handshake would begin, and its clients. */
const house = Effect.fnUntraced(function*({ longest = NEVER, patience = NEVER } = {}) {
  const turns = yield* countTurns
  const handshakes = new Handshakes(longest)
  const begun: Array<number> = []
  const server = createServer((socket) => {
    begun.push(turns())
    assert.isAbove(socket.readableLength, 0, "its first bytes are there")
    // What is not read to its end does not close.
    socket.resume()
    socket.end("hello")
  })
  handshakes.inTurn(server, patience)
  let arrived = 0
  // After it has heard of the same bytes.
  server.on("connection", (socket) => socket.once("readable", () => (arrived += 1)))
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
  return { handshakes, server, begun, arrived: () => arrived, ended, come, leave }
})

/** As many requests as keep handshakes waiting, until it is interrupted. */
const busy = (handshakes: Handshakes) =>
  Effect.all(Array.from({ length: BUSY }, () => handshakes.counted(Effect.never)), { concurrency: "unbounded" })

describe("handshakes", () => {
  it.live.prop(
    "of a crowd begin one in each turn of the loop, and all do, but for who left",
    [Schema.Array(Schema.Boolean).pipe(Schema.check(Schema.isMaxLength(40)))],
    ([crowd]) =>
      Effect.scoped(Effect.gen(function*() {
        const { begun, come, ended, server } = yield* house()
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
      const { begun, come, handshakes } = yield* house({ longest: 50 })
      yield* Effect.forkScoped(busy(handshakes))
      yield* turn
      const start = performance.now()
      for (let client = 0; client < 20; client++) come()
      yield* until(() => begun.length >= 2)
      assert.isAtLeast(performance.now() - start, 75)
    }).pipe(Effect.scoped))

  it.live("wait until requests are answered", () =>
    Effect.gen(function*() {
      const { arrived, begun, come, handshakes } = yield* house()
      const asked = yield* Effect.forkScoped(busy(handshakes))
      yield* turn
      for (let client = 0; client < 20; client++) come()
      yield* until(() => arrived() === 20)
      yield* turn
      assert.lengthOf(begun, 0)
      yield* Fiber.interrupt(asked)
      yield* until(() => begun.length === 20)
    }).pipe(Effect.scoped))

  it.live("wait while many are under way, and not for those that ended, well or badly", () =>
    Effect.gen(function*() {
      const { arrived, begun, come, server } = yield* house()
      const open: Array<Socket> = []
      // These never end: their clients say nothing, and nobody closes them.
      server.prependListener("connection", (socket) => {
        open.push(socket)
        socket.end = () => socket
      })
      for (let client = 0; client < 40; client++) come()
      yield* until(() => arrived() === 40 && begun.length >= BUSY)
      yield* turn
      assert.lengthOf(begun, BUSY)
      // Each of those that end makes room for one more.
      for (const { remoteAddress, remotePort } of open.slice(0, 5)) {
        server.emit("secureConnection", { remoteAddress, remotePort })
      }
      yield* until(() => begun.length >= BUSY + 5)
      yield* turn
      assert.lengthOf(begun, BUSY + 5)
    }).pipe(Effect.scoped))

  it.live("of a source that comes now and then do not wait for those of one that floods", () =>
    Effect.gen(function*() {
      const { arrived, come, handshakes, server } = yield* house()
      const order: Array<string> = []
      server.on("connection", (socket) => {
        socket.end = () => {
          order.push(String(socket.remoteAddress))
          return socket
        }
      })
      // Nothing begins by itself while so many are answered.
      const asked = yield* Effect.forkScoped(busy(handshakes))
      yield* turn
      for (let client = 0; client < 200; client++) come()
      yield* until(() => arrived() === 200)
      come("127.0.0.2")
      yield* until(() => arrived() === 201)
      yield* Fiber.interrupt(asked)
      yield* until(() => order.includes("127.0.0.2"))
      assert.strictEqual(order.indexOf("127.0.0.2"), 1, "the second, for one of the other source waited longer")
    }).pipe(Effect.scoped))

  it.live("wait for no request that failed, or whose client left", () =>
    Effect.gen(function*() {
      const { begun, come, handshakes } = yield* house()
      for (let request = 0; request < 40; request++) {
        yield* Effect.ignore(handshakes.counted(Effect.fail("no")))
        yield* Fiber.interrupt(yield* Effect.forkChild(handshakes.counted(Effect.never)))
      }
      come()
      come()
      yield* until(() => begun.length === 2)
    }).pipe(Effect.scoped))

  it.live("begin for none that says nothing, which is closed in time", () =>
    Effect.gen(function*() {
      const { begun, come, ended } = yield* house({ patience: 4000 })
      for (let silent = 0; silent < 20; silent += 1) come("127.0.0.1", "")
      come()
      yield* until(() => ended.length === 1)
      assert.deepStrictEqual(ended, ["hello"])
      yield* until(() => ended.length === 21)
      assert.deepStrictEqual([begun.length, ended.filter((said) => said === "").length], [1, 20])
    }))

  it.live("begin for none that closes before it says anything", () =>
    Effect.gen(function*() {
      const { begun, leave, server } = yield* house()
      let closed = 0
      server.on("connection", (socket) => socket.on("close", () => (closed += 1)))
      for (let silent = 0; silent < 20; silent += 1) leave()
      yield* until(() => closed === 20)
      assert.strictEqual(begun.length, 0)
    }))
})
