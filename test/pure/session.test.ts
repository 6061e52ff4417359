import { assert, describe, it } from "@effect/vitest"
import { decodeEventLog } from "@patela/tpm/eventlog/EventLog"
import { EventType } from "@patela/tpm/eventlog/EventType"
import { replayEventLog } from "@patela/tpm/eventlog/replayEventLog"
import type { PcrValues } from "@patela/tpm/quote/PcrValues"
import { Algorithm } from "@patela/tpm/structures/Algorithm"
import { Duration, Effect, Fiber, Ref, Result, Stream } from "effect"
import { TestClock } from "effect/testing"
import { readFileSync, writeFileSync } from "node:fs"
import { createServer } from "node:https"
import { freePort } from "../../packages/server/test/rig/asPostgres.ts"
import { eventually } from "../../packages/server/test/rig/eventually.ts"
import { runningPatela, runningPatelaWith } from "../../packages/server/test/rig/runningPatela.ts"
import { selfSigned } from "../../packages/server/test/rig/selfSigned.ts"
import { socketsOf } from "../../packages/server/test/rig/socketsOf.ts"
import { softwareTpm } from "../../packages/server/test/rig/SoftwareTpm.ts"
import { temporaryDirectory } from "../../packages/server/test/rig/temporaryDirectory.ts"
import { smallBoot, writtenLog } from "../../packages/tpm/test/LogWriter.ts"
import { answers, house, houseAt, sessionWith, tpmOf } from "./SessionHouse.ts"

const TIMEOUT = 120_000
const once = { total: Duration.zero }

describe("a session", () => {
  it.live("costs two answers of 304 where nothing changed, and hears what did", () =>
    Effect.gen(function*() {
      const { session, administration, cli, id, activations } = yield* house
      const { take } = yield* answers
      const config = yield* session.config(once)
      assert.isAtLeast(config.relays.length, 1)
      assert.deepStrictEqual(
        take(),
        [
          "200 /public/auth",
          "200 /private/specs",
          "200 /private/config/resolved/node",
          "200 /private/config/node",
          "304 /private/config/resolved/node"
        ].map((line) => line.replace("200 /public", "201 /public"))
      )
      assert.strictEqual(yield* session.config(once), config, "the very same object")
      assert.deepStrictEqual(take(), ["304 /private/config/resolved/node", "304 /private/config/node"])

      yield* administration.set("test", id, "geoip", "on")
      const after = yield* session.config(once)
      assert.deepStrictEqual(take(), ["200 /private/config/resolved/node", "304 /private/config/node"])
      assert.deepInclude(after, { geoip: true, generation: config.generation + 1 })
      assert.strictEqual(after.relays, config.relays)

      yield* session.report({ relays: [], tor_version: null, generation: after.generation, rolled_back: null })
      assert.include((yield* cli(["list", "node", "current"])).stdout, "current")
      assert.strictEqual(yield* activations, 1)
    }), TIMEOUT)

  it.live(
    "shows what its machine booted where the server asks, with its event log, and is told which PCR is wrong",
    () =>
      Effect.gen(function*() {
        const patela = yield* runningPatela
        const policy = patela.bootPolicy
        const { id, tpm } = yield* patela.enrolled
        const large = { pcr: 8, type: EventType.ipl, data: new Uint8Array(400_000) }
        const log = writtenLog([Algorithm.sha1, Algorithm.sha256], [...smallBoot, large])
        const booted = Result.getOrThrow(
          Result.flatMap(decodeEventLog(log), (one) => replayEventLog(one, Algorithm.sha256))
        )
        const file = `${patela.folder}/event-log`
        writeFileSync(file, log)
        const of = Effect.fnUntraced(function*(pcrValues: PcrValues) {
          return yield* sessionWith({
            port: patela.server.port,
            cert: patela.cert,
            token: `${patela.folder}/no-token`,
            tpm: tpmOf(tpm, yield* Ref.make(0), pcrValues),
            eventLog: file
          })
        })
        const session = yield* of(booted)
        const config = yield* session.config(once)
        yield* policy.enforce("test", "warn")
        yield* policy.enforce("test", "on")
        const { take } = yield* answers
        const refused = yield* Effect.flip(session.config(once))
        assert.strictEqual(refused._tag, "WaitingForApproval", "a person can help, and then asking again does")
        assert.include(refused.message, `patela policy pcr learn ${id}`)
        assert.deepStrictEqual(take(), [
          "401 /private/config/resolved/node",
          "200 /public/auth",
          "204 /private/evidence",
          "403 /private/specs"
        ])
        assert.include((yield* patela.cli(["policy", "pcr", "learn", String(id)])).stdout, "is allowed.")
        assert.strictEqual(yield* session.config(once), config)
        yield* patela.cli(["policy", "pcr", "log", String(id), `${file}.kept`])
        assert.deepStrictEqual(new Uint8Array(readFileSync(`${file}.kept`)), log)

        // Its software shows a log that does not lead to what the TPM has.
        const liar = yield* of(
          new Map([[
            Algorithm.sha256,
            new Map([...booted.get(Algorithm.sha256) ?? []].map(
              ([pcr, value]) => [pcr, pcr === 4 ? new Uint8Array(32) : value] as const
            ))
          ]])
        )
        const caught = yield* Effect.flip(liar.config(once))
        assert.strictEqual(caught._tag, "TpmNotReady")
        assert.include(caught.message, "in PCR 4 of sha256, the TPM quotes")
        yield* policy.enforce("test", "warn")
        assert.isAtLeast((yield* liar.config(once)).relays.length, 1, "with warn nobody is kept out")
      }),
    TIMEOUT
  )

  it.live("goes on after the server was restarted, or crashed", () =>
    Effect.gen(function*() {
      // While it is away nobody else's connection may get its port.
      const { session, server, start, activations } = yield* houseAt(yield* freePort)
      const config = yield* session.config(once)
      yield* server.stop
      assert.strictEqual((yield* Effect.flip(session.config(once)))._tag, "ServerAway")
      const second = yield* start(server.port)
      assert.strictEqual(yield* session.config(once), config)
      yield* second.kill
      yield* start(server.port)
      assert.strictEqual(yield* session.config(once), config)
      assert.strictEqual(yield* activations, 1, "the token is still good")
    }), TIMEOUT)

  it.live("asks again at once where a kept connection turns out to be dead", () =>
    Effect.gen(function*() {
      const folder = yield* temporaryDirectory
      const { cert, key } = yield* selfSigned(folder)
      const sockets = new Map<unknown, number>()
      const network = { gateway_v4: "192.0.2.1", gateway_v6: null, prefix_v4: 24, prefix_v6: null, dns: [], pools: [] }
      const node = { generation: 1, removed: [], network, geoip: false, test_network: false }
      const server = createServer({ cert: readFileSync(cert), key: readFileSync(key) }, (request, response) => {
        const requests = (sockets.get(request.socket) ?? 0) + 1
        sockets.set(request.socket, requests)
        // As one that was restarted: its first connection is gone when the second request comes.
        if (sockets.size === 1 && requests === 2) {
          request.socket.destroy()
          return
        }
        response.setHeader("content-type", "application/json").setHeader("etag", "\"x\"")
        response.end(JSON.stringify(request.url === "/private/config/node" ? [] : node))
      })
      yield* Effect.acquireRelease(
        Effect.promise(() => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))),
        () =>
          Effect.sync(() => {
            server.close()
            server.closeAllConnections()
          })
      )
      const address = server.address()
      if (address === null || typeof address === "string") return assert.fail("no port")
      writeFileSync(`${folder}/token`, "a-token")
      const session = yield* sessionWith({
        port: address.port,
        cert,
        token: `${folder}/token`,
        tpm: tpmOf(softwareTpm(), yield* Ref.make(0))
      })
      assert.deepInclude(yield* session.config(once), { generation: 1, relays: [] })
      assert.strictEqual(sockets.size, 2)
    }), TIMEOUT)

  it.live(
    "asks once where it is to have no patience, and every three seconds where it is",
    () =>
      Effect.gen(function*() {
        const { session, administration, id } = yield* house
        const { take } = yield* answers
        yield* administration.setEnabled("test", id, false)
        assert.strictEqual((yield* Effect.flip(session.config(once)))._tag, "WaitingForApproval")
        assert.deepStrictEqual(take(), ["401 /public/auth"])
        yield* Effect.flip(session.config({ total: Duration.seconds(1) }))
        assert.deepStrictEqual(take(), ["401 /public/auth", "401 /public/auth"])
      }),
    TIMEOUT
  )

  it.live("authenticates again in a new epoch, once for all requests that need it", () =>
    Effect.gen(function*() {
      const { session, administration, id, activations } = yield* house
      const config = yield* session.config(once)
      yield* administration.setEnabled("test", id, false)
      assert.strictEqual((yield* Effect.flip(session.config(once)))._tag, "WaitingForApproval")
      assert.strictEqual((yield* Effect.flip(Stream.runDrain(session.events)))._tag, "WaitingForApproval")
      yield* administration.setEnabled("test", id, true)
      const first = Stream.runHead(session.events)
      const report = session.report({ relays: [], tor_version: null, generation: null, rolled_back: null })
      yield* Effect.all([session.config(once), first, report, first], { concurrency: "unbounded" })
      assert.strictEqual(yield* session.config(once), config)
      assert.strictEqual(yield* activations, 2)
    }), TIMEOUT)

  it.live("proves its keys once while it waits, however often it asks", () =>
    Effect.gen(function*() {
      const patela = yield* runningPatela
      const activations = yield* Ref.make(0)
      const { take } = yield* answers
      const session = yield* sessionWith({
        port: patela.server.port,
        cert: patela.cert,
        token: `${patela.folder}/no-token`,
        tpm: tpmOf(softwareTpm(), activations)
      })
      // The second answer has almost three seconds to come.
      yield* Effect.flip(session.config({ total: Duration.seconds(5.9) }))
      assert.deepStrictEqual(take(), ["401 /public/auth", "204 /public/proof", "401 /public/auth", "401 /public/auth"])
      assert.strictEqual(yield* Ref.get(activations), 1)
      const { stdout } = yield* patela.cli(["list", "node", "waiting"])
      assert.include(stdout, " proven ")
    }), TIMEOUT)

  it.live("asks no earlier than a server that is asked too often says", () =>
    Effect.gen(function*() {
      const patela = yield* runningPatelaWith({ PATELA_NEW_PER_SOURCE: "1" })
      yield* patela.ask("/public/auth", JSON.stringify(softwareTpm().request))
      const { take } = yield* answers
      take()
      const session = yield* sessionWith({
        port: patela.server.port,
        cert: patela.cert,
        token: `${patela.folder}/no-token`,
        tpm: tpmOf(softwareTpm(), yield* Ref.make(0))
      })
      const error = yield* Effect.flip(session.config({ total: Duration.seconds(7) }))
      assert.include(error.message, "takes no more requests for now")
      assert.deepStrictEqual(take(), ["429 /public/auth"])
    }), TIMEOUT)

  it.live("authenticates again by itself after it was revoked", () =>
    Effect.gen(function*() {
      const { session, administration, id, cli, activations } = yield* house
      const config = yield* session.config(once)
      const said = yield* cli(["node", "revoke", String(id)])
      assert.include(said.stdout, "stays enabled")
      assert.strictEqual(yield* session.config(once), config)
      assert.strictEqual(yield* activations, 2)
      assert.isTrue((yield* administration.node(id)).enabled)
    }), TIMEOUT)

  // The node's clock is the test's here and the server's is its own, years apart.
  it.effect("renews its token ahead of its end, by its own count of time", () =>
    Effect.gen(function*() {
      const { session, activations } = yield* house
      const { take } = yield* answers
      const config = yield* session.config(once)
      yield* TestClock.adjust("12 minutes")
      assert.strictEqual(yield* session.config(once), config)
      assert.strictEqual(yield* activations, 1)
      yield* TestClock.adjust("1 minute")
      take()
      const asked = Effect.all([session.config(once), session.config(once)], { concurrency: "unbounded" })
      assert.deepStrictEqual(yield* asked, [config, config])
      assert.strictEqual(yield* activations, 2, "once for both")
      assert.deepStrictEqual(take().filter((line) => line.startsWith("401")), [], "before it was refused")
    }), TIMEOUT)

  it.live("hears of each new generation, and the end of the stream", () =>
    Effect.gen(function*() {
      const { session, server, administration, id } = yield* house
      const { generation } = yield* session.config(once)
      const heard: Array<number> = []
      const listening = yield* Effect.forkChild(
        Stream.runForEach(session.events, (event) => Effect.sync(() => heard.push(event.generation)))
      )
      yield* eventually("the first event", () => heard.length === 1, 30_000)
      yield* administration.set("test", id, "geoip", "on")
      yield* eventually("the event of the change, well before the next heartbeat", () => heard.length === 2, 10_000)
      assert.deepStrictEqual(heard, [generation, generation + 1])
      yield* server.stop
      // A server that ends in good order ends the stream; the watcher opens the next.
      yield* Fiber.join(listening).pipe(Effect.timeout("10 seconds"))
    }), TIMEOUT)

  it.live("is told when the server crashes under a stream", () =>
    Effect.gen(function*() {
      const { session, server } = yield* house
      const heard: Array<number> = []
      const listening = yield* Effect.forkChild(
        Effect.flip(Stream.runForEach(session.events, (event) => Effect.sync(() => heard.push(event.generation))))
      )
      yield* eventually("the first event", () => heard.length === 1, 30_000)
      yield* server.kill
      const error = yield* Fiber.join(listening).pipe(Effect.timeout("10 seconds"))
      assert.strictEqual(error._tag, "ServerAway")
      assert.include(error.message, "broke off")
    }), TIMEOUT)

  it.live("leaves no socket behind when it stops listening", () =>
    Effect.gen(function*() {
      const { session, server } = yield* house
      yield* session.config(once)
      const before = socketsOf(server)
      for (let time = 0; time < 10; time++) yield* Stream.runHead(session.events)
      yield* eventually("the sockets' end", () => socketsOf(server) <= before, 10_000)
    }), TIMEOUT)
})
