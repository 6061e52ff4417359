import { Context, Effect, Layer, Redacted } from "effect"
import { HttpServer } from "effect/http"
import { NetAddress } from "effect/net"
import { readFileSync } from "node:fs"
import * as HttpsServer from "../../src/http/HttpsServer.ts"
import { Connections, type Patience } from "../../src/limits/Connections.ts"
import { httpsAsk } from "./httpsAsk.ts"
import { selfSigned } from "./selfSigned.ts"
import { temporaryDirectory } from "./temporaryDirectory.ts"
import { apiServices } from "./TestApi.ts"

/** Limits that a test has the time to see at work, in milliseconds; a client in the same process is not held up for so long. */
export const IMPATIENT: Patience = { handshake: 8000, header: 5000, request: 6000, idle: 5000, silence: 8000, look: 50 }

/** The API at a real port of this process, with what its clients are limited by. */
export const servedApi = Effect.fnUntraced(
  function*(limits: Partial<Patience & { readonly inAll: number; readonly perSource: number }> = {}) {
    const folder = yield* temporaryDirectory
    const { key, pem } = yield* selfSigned(folder)
    const connections = Connections.of(Connections.make({ ...IMPATIENT, inAll: 1000, perSource: 1000, ...limits }))
    const certificate = { certificate: pem, key: Redacted.make(readFileSync(key, "utf8")) }
    const context = yield* Layer.build(
      HttpsServer.layer(certificate, { host: "127.0.0.1", port: 0 }).pipe(
        Layer.provide(Layer.succeed(Connections, connections)),
        Layer.provideMerge(apiServices())
      )
    )
    const { address } = Context.get(context, HttpServer.HttpServer)
    const port = Number(NetAddress.formatSocketAddress(address).split(":").at(-1))
    return { port, pem, context, counts: connections.counts, ask: (path: string) => httpsAsk({ port, ca: pem, path }) }
  }
)
