import { assert, describe, it } from "@effect/vitest"
import { KeptToken } from "@patela/agent/session/KeptToken"
import { ServerClient, SessionToken } from "@patela/agent/session/ServerClient"
import { Session } from "@patela/agent/session/Session"
import { Tpm } from "@patela/tpm/transport/Tpm"
import { Duration, Effect, Fiber, Layer, Redacted, Ref, Stream } from "effect"
import { subscribe, unsubscribe } from "node:diagnostics_channel"
import { readFileSync, writeFileSync } from "node:fs"
import { ClientRequest, IncomingMessage } from "node:http"
import { createServer } from "node:https"
import { eventually } from "../../packages/server/test/rig/eventually.ts"
import { runningPatela } from "../../packages/server/test/rig/runningPatela.ts"
import { selfSigned } from "../../packages/server/test/rig/selfSigned.ts"
import { socketsOf } from "../../packages/server/test/rig/socketsOf.ts"
import { type SoftwareTpm, softwareTpm } from "../../packages/server/test/rig/SoftwareTpm.ts"
import { temporaryDirectory } from "../../packages/server/test/rig/temporaryDirectory.ts"

const TIMEOUT = 60_000
const once = { total: Duration.zero }

/** What of the TPM a session uses, with keys that are in software; `activations` counts how often it was asked to prove. */
const tpmOf = (keys: SoftwareTpm, activations: Ref.Ref<number>) => {
  const bytes = (hex: string) => new Uint8Array(Buffer.from(hex, "hex"))
  const hex = (data: Uint8Array) => Buffer.from(data).toString("hex")
  const unused = Effect.die("a session does not use this of a TPM")
  return Layer.succeed(
    Tpm,
    Tpm.of({
      endorsementKey: Effect.succeed(bytes(keys.request.ek_public)),
      attestationKey: Effect.succeed({ public: bytes(keys.request.ak_public), name: bytes(keys.request.ak_name) }),
      activateCredential: ({ blob, secret }) =>
        Ref.update(activations, (count) => count + 1).pipe(
          Effect.as(Redacted.make(new Uint8Array(keys.activate(hex(blob), hex(secret)))))
        ),
      quote: () => unused,
      pcrRead: () => unused,
      nvRead: () => unused,
      nvWrite: () => unused,
      nvAttributes: unused,
      nvDefine: () => unused,
      nvUndefine: () => unused,
      nvPublics: unused,
      limits: unused,
      persistentHandles: unused,
      evictPersistent: () => unused
    })
  )
}

/** Every answer that this process gets over HTTP, as `STATUS PATH`, from Node itself. */
const answers = Effect.acquireRelease(
  Effect.sync(() => {
    const heard: Array<string> = []
    const listen = (message: unknown) => {
      if (typeof message !== "object" || message === null) return
      if (!("request" in message && "response" in message)) return
      const { request, response } = message
      if (request instanceof ClientRequest && response instanceof IncomingMessage) {
        heard.push(`${response.statusCode} ${request.path}`)
      }
    }
    subscribe("http.client.response.finish", listen)
    return { heard, listen }
  }),
  ({ listen }) => Effect.sync(() => unsubscribe("http.client.response.finish", listen))
).pipe(Effect.map(({ heard }) => ({ take: () => heard.splice(0) })))

const sessionWith = (input: {
  readonly port: number
  readonly cert: string
  readonly token: string
  readonly tpm: Layer.Layer<Tpm>
}) =>
  Layer.build(
    Session.layer.pipe(
      Layer.provide(ServerClient.layer({
        url: new URL(`https://127.0.0.1:${input.port}`),
        caCertificate: input.cert
      })),
      Layer.provide(Layer.mergeAll(SessionToken.layer, KeptToken.layerAt(input.token), input.tpm))
    )
  ).pipe(Effect.flatMap((context) => Effect.provide(Session, context)))

/** A server in a process of its own, a machine that it enabled, and that machine's session. */
const house = Effect.gen(function*() {
  const patela = yield* runningPatela
  const { id, tpm } = yield* patela.enrolled
  const activations = yield* Ref.make(0)
  const session = yield* sessionWith({
    port: patela.server.port,
    cert: patela.cert,
    token: `${patela.folder}/no-token`,
    tpm: tpmOf(tpm, activations)
  })
  return { ...patela, id, session, activations: Ref.get(activations) }
})

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

  it.live("goes on after the server was restarted, or crashed", () =>
    Effect.gen(function*() {
      const { session, server, start, activations } = yield* house
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

  it.live("hears of each new generation, and the end of the stream", () =>
    Effect.gen(function*() {
      const { session, server, administration, id } = yield* house
      const { generation } = yield* session.config(once)
      const heard: Array<number> = []
      const listening = yield* Effect.forkChild(
        Stream.runForEach(session.events, (event) => Effect.sync(() => heard.push(event.generation)))
      )
      yield* eventually("the first event", () => heard.length === 1, 5000)
      yield* administration.set("test", id, "geoip", "on")
      assert.isBelow(yield* eventually("the event of the change", () => heard.length === 2, 5000), 1000)
      assert.deepStrictEqual(heard, [generation, generation + 1])
      yield* server.stop
      // A server that ends in good order ends the stream; the watcher opens the next.
      yield* Fiber.join(listening).pipe(Effect.timeout("2 seconds"))
    }), TIMEOUT)

  it.live("is told when the server crashes under a stream", () =>
    Effect.gen(function*() {
      const { session, server } = yield* house
      const heard: Array<number> = []
      const listening = yield* Effect.forkChild(
        Effect.flip(Stream.runForEach(session.events, (event) => Effect.sync(() => heard.push(event.generation))))
      )
      yield* eventually("the first event", () => heard.length === 1, 5000)
      yield* server.kill
      const error = yield* Fiber.join(listening).pipe(Effect.timeout("2 seconds"))
      assert.strictEqual(error._tag, "ServerAway")
      assert.include(error.message, "broke off")
    }), TIMEOUT)

  it.live("leaves no socket behind when it stops listening", () =>
    Effect.gen(function*() {
      const { session, server } = yield* house
      yield* session.config(once)
      const before = socketsOf(server)
      for (let time = 0; time < 10; time++) yield* Stream.runHead(session.events)
      yield* eventually("the sockets' end", () => socketsOf(server) <= before, 2000)
    }), TIMEOUT)
})
