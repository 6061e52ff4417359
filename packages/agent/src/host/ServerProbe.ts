import { Context, Duration, Effect, Layer, Schedule, Schema } from "effect"
import * as fs from "node:fs/promises"
import * as tls from "node:tls"
import type { ServerAddress } from "../session/ServerClient.ts"

/** No new connection to the server. */
export class ServerUnreachable extends Schema.TaggedError<ServerUnreachable>()("ServerUnreachable", {
  message: Schema.String
}) {}

/** One connection has this long to be made. */
const PATIENCE = Duration.seconds(3)

/** A network change counts as survived when one of so many connections, a second apart, succeeds. */
const TRIES = 4
const APART = Duration.seconds(1)

/** Whether the server can be reached now: by a new connection, never one that is kept alive from before. */
export class ServerProbe extends Context.Service<ServerProbe, {
  /** One TLS handshake with the server's certificate checked, and no request. */
  readonly connect: Effect.Effect<void, ServerUnreachable>
  /** As `connect`, tried again for some seconds: links and neighbours take a moment to settle. */
  readonly persist: Effect.Effect<void, ServerUnreachable>
}>()("@patela/agent/host/ServerProbe") {
  static readonly layer = (address: ServerAddress) =>
    Layer.sync(ServerProbe, () => {
      const connect = connectTo(address)
      const persist = Effect.retry(connect, { schedule: Schedule.spaced(APART), times: TRIES - 1 })
      return ServerProbe.of({ connect, persist })
    })
}

const connectTo = ({ caCertificate, url }: ServerAddress): Effect.Effect<void, ServerUnreachable> =>
  Effect.gen(function*() {
    const ca = caCertificate === undefined
      ? undefined
      : yield* Effect.tryPromise({ try: () => fs.readFile(caCertificate), catch: unreachable(url) })
    yield* handshake(url, ca)
  }).pipe(
    Effect.timeoutOrElse({
      duration: PATIENCE,
      orElse: () => Effect.fail(unreachable(url)(new Error(`no answer in ${Duration.format(PATIENCE)}`)))
    }),
    Effect.withSpan("ServerProbe.connect")
  )

const handshake = (url: URL, ca: Buffer | undefined): Effect.Effect<void, ServerUnreachable> =>
  Effect.callback<void, ServerUnreachable>((resume) => {
    // An IPv6 address stands in brackets in a URL, and without them everywhere else (RFC 3986, section 3.2.2).
    const host = url.hostname.replace(/^\[(.*)\]$/, "$1")
    const socket = tls.connect({
      host,
      port: Number(url.port === "" ? "443" : url.port),
      minVersion: "TLSv1.3",
      ...(/[:]|^[\d.]+$/.test(host) ? {} : { servername: host }),
      ...(ca === undefined ? {} : { ca })
    })
    socket.once("secureConnect", () => {
      socket.destroy()
      resume(Effect.void)
    })
    socket.once("error", (cause) => {
      socket.destroy()
      resume(Effect.fail(unreachable(url)(cause)))
    })
    return Effect.sync(() => socket.destroy())
  })

const unreachable = (url: URL) => (cause: unknown): ServerUnreachable =>
  new ServerUnreachable({
    message: `no new connection to ${url.origin}: ${cause instanceof Error ? cause.message : String(cause)}`
  })
