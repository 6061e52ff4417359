import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { Authorization } from "@patela/domain/api/Authorization"
import { PatelaApi } from "@patela/domain/api/PatelaApi"
import { Context, Effect, Layer, Redacted, Ref, Schema } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { HttpApiClient, HttpApiMiddleware } from "effect/http-api"
import * as fs from "node:fs/promises"

/** The CA certificate that the server is checked against cannot be read. */
export class CaNotRead extends Schema.TaggedError<CaNotRead>()("CaNotRead", { message: Schema.String }) {}

/** The bearer token of this run, empty until the node authenticated. */
export class SessionToken extends Context.Service<SessionToken, Ref.Ref<Redacted.Redacted<string>>>()(
  "@patela/agent/session/SessionToken"
) {
  static readonly layer = Layer.effect(SessionToken, Ref.make(Redacted.make("", { label: "Biscuit" })))
}

/** Puts the token of the session on every private request. */
const AuthorizationClient = HttpApiMiddleware.layerClient(
  Authorization,
  Effect.fn(function*({ next, request }) {
    const token = yield* Ref.get(yield* SessionToken)
    return yield* next(HttpClientRequest.bearerToken(request, token))
  })
)

/** Where the server is and what its certificate is checked against: a PEM file, or the system's roots. */
export interface ServerAddress {
  readonly url: URL
  readonly caCertificate: string | undefined
}

/** The server's API as a client. TLS 1.3 only; redirects are not followed. */
export class ServerClient extends Context.Service<ServerClient, HttpApiClient.ForApi<typeof PatelaApi>>()(
  "@patela/agent/session/ServerClient"
) {
  static readonly layer = (address: ServerAddress): Layer.Layer<ServerClient, CaNotRead, SessionToken> =>
    Layer.effect(
      ServerClient,
      HttpApiClient.make(PatelaApi, {
        transformClient: HttpClient.mapRequest(HttpClientRequest.prependUrl(address.url.origin))
      })
    ).pipe(
      Layer.provide(AuthorizationClient),
      Layer.provide(Layer.unwrap(Effect.map(readCa(address), (ca) =>
        NodeHttpClient.layerNodeHttpOptions({
          minVersion: "TLSv1.3",
          keepAlive: true,
          ...(ca === undefined ? {} : { ca })
        }))))
    )
}

const readCa = Effect.fn("ServerClient.readCa")(function*({ caCertificate }: ServerAddress) {
  if (caCertificate === undefined) return undefined
  return yield* Effect.tryPromise({
    try: () => fs.readFile(caCertificate, "utf8"),
    catch: (cause) =>
      new CaNotRead({
        message: `cannot read the CA certificate ${caCertificate}: ${
          cause instanceof Error ? cause.message : String(cause)
        }; name a PEM file with --ca-cert or PATELA_CA_CERT`
      })
  })
})
