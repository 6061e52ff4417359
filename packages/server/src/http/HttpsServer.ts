import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { PatelaApi } from "@patela/domain/api/PatelaApi"
import { MAX_EVENT_LOG } from "@patela/domain/attestation/BootEvidence"
import { ByteSize, Effect, Layer, Redacted } from "effect"
import { HttpRouter, HttpServerRequest } from "effect/http"
import { HttpApiBuilder, HttpApiMiddleware } from "effect/http-api"
import { createServer } from "node:https"
import { Connections, type Patience } from "../limits/Connections.ts"
import { Handshakes } from "../limits/Handshakes.ts"
import { answerClientErrors, MAX_HEADER } from "./answerClientErrors.ts"
import { OPENAPI_PATH } from "./apiRoutes.ts"
import { OpenAnswers, OpenResponse } from "./OpenAnswers.ts"
import { PrivateGroup } from "./PrivateGroup.ts"
import { problemResponses } from "./problemResponses.ts"
import { PublicGroup } from "./PublicGroup.ts"
import { type Certificate, CertificateRefused } from "./readCertificate.ts"
import { TokenAuthorization } from "./TokenAuthorization.ts"

/** The longest body: a report of 512 blocked relays is the largest thing that a node says. */
const MAX_BODY = ByteSize.fromInputUnsafe(64 * 1024)

/** Evidence of a boot has the firmware's event log in it, as hex; its body is read after its token was looked at. */
const MAX_EVIDENCE = ByteSize.fromInputUnsafe(2 * MAX_EVENT_LOG + 32 * 1024)

const bodyLimit = HttpRouter.middleware(
  (httpEffect) =>
    Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ url }) =>
      Effect.provideService(
        httpEffect,
        HttpServerRequest.MaxBodySize,
        url === "/private/evidence" ? MAX_EVIDENCE : MAX_BODY
      )),
  { global: true }
)

/** Every route of the API; what they need of the store, the tokens and the pools is left open. */
export const routes = Layer.mergeAll(
  HttpApiBuilder.layer(PatelaApi, { openapiPath: OPENAPI_PATH }),
  problemResponses,
  bodyLimit
).pipe(
  Layer.provide([PublicGroup, PrivateGroup]),
  Layer.provide([TokenAuthorization, HttpApiMiddleware.layerProblemDetails({ includeDetails: true })])
)

const serverWith = (
  { certificate, key }: Certificate,
  { handshake, header, request, idle, silence, look }: Patience
) => {
  const server = createServer({
    ServerResponse: OpenResponse,
    cert: certificate,
    key: Redacted.value(key),
    minVersion: "TLSv1.3",
    // As a list, Node's default, each connection would hold a copy of it, and by that the 64 KiB that it was cut from.
    ALPNCallback: ({ protocols }) => protocols.find((protocol) => protocol === "http/1.1"),
    handshakeTimeout: handshake,
    headersTimeout: header,
    requestTimeout: request,
    keepAliveTimeout: idle,
    connectionsCheckingInterval: look,
    maxHeaderSize: MAX_HEADER,
    // Answered with a problem, as everything.
    requireHostHeader: false
  })
  server.setTimeout(silence)
  return server
}

/** An HTTPS server, TLS 1.3 only, that serves the routes at a host and port. */
export const layer = (certificate: Certificate, address: { readonly host: string; readonly port: number }) =>
  Layer.unwrap(Effect.gen(function*() {
    const { guard, patience } = yield* Connections
    // Made here and not by the layer, so that a certificate that does not fit its key is an error with a name.
    const server = yield* Effect.try({
      try: () => serverWith(certificate, patience),
      catch: () =>
        new CertificateRefused({
          message: "The certificate and its key cannot be used: both must be PEM, and belong together"
        })
    })
    const handshakes = new Handshakes()
    handshakes.inTurn(server, patience.handshake)
    guard(server)
    answerClientErrors(server)
    const counted = HttpRouter.middleware(handshakes.counted, { global: true })
    return HttpRouter.serve(Layer.provide(Layer.merge(routes, counted), OpenAnswers.layer), {
      disableListenLog: true,
      disableLogger: true
    }).pipe(
      Layer.provideMerge(NodeHttpServer.layer(() => server, { ...address, gracefulShutdownTimeout: "3 seconds" }))
    )
  }))
