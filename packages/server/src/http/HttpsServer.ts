import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { PatelaApi } from "@patela/domain/api/PatelaApi"
import { MAX_EVENT_LOG } from "@patela/domain/attestation/BootEvidence"
import { ByteSize, Effect, FileSystem, Layer, Redacted, Schema } from "effect"
import { HttpRouter, HttpServerRequest } from "effect/http"
import { HttpApiBuilder, HttpApiMiddleware } from "effect/http-api"
import { createServer } from "node:https"
import { PrivateGroup } from "./PrivateGroup.ts"
import { problemResponses } from "./problemResponses.ts"
import { PublicGroup } from "./PublicGroup.ts"
import { TokenAuthorization } from "./TokenAuthorization.ts"

/** The certificate or its key cannot be used. */
export class CertificateRefused extends Schema.TaggedError<CertificateRefused>()("CertificateRefused", {
  message: Schema.String
}) {}

/** The longest body: a report of 512 blocked relays is the largest thing that a node says. */
const MAX_BODY = ByteSize.fromInputUnsafe(64 * 1024)

/** A node says everything in one small request; whoever takes longer holds a socket for nothing. */
const REQUEST_TIMEOUT = 30_000

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
export const routes = Layer.mergeAll(HttpApiBuilder.layer(PatelaApi), problemResponses, bodyLimit).pipe(
  Layer.provide([PublicGroup, PrivateGroup]),
  Layer.provide([TokenAuthorization, HttpApiMiddleware.layerProblemDetails({ includeDetails: true })])
)

export interface Certificate {
  readonly certificate: string
  readonly key: Redacted.Redacted<string>
}

/** Reads the server's certificate chain and private key, PEM, from their files. */
export const readCertificate = Effect.fn("readCertificate")(function*(certPath: string, keyPath: string) {
  const fs = yield* FileSystem.FileSystem
  const read = (what: string, path: string) =>
    fs.readFileString(path).pipe(
      Effect.mapError(({ reason }) =>
        new CertificateRefused({ message: `The ${what} ${path} cannot be read: ${reason._tag}` })
      )
    )
  const certificate = yield* read("certificate", certPath)
  const key = Redacted.make(yield* read("certificate's key", keyPath), { label: "certificate key" })
  return { certificate, key }
})

const serverWith = ({ certificate, key }: Certificate) =>
  createServer({
    cert: certificate,
    key: Redacted.value(key),
    minVersion: "TLSv1.3",
    requestTimeout: REQUEST_TIMEOUT,
    headersTimeout: REQUEST_TIMEOUT
  })

/** An HTTPS server, TLS 1.3 only, that serves the routes at a host and port. */
export const layer = (certificate: Certificate, address: { readonly host: string; readonly port: number }) =>
  Layer.unwrap(Effect.gen(function*() {
    // Made here and not by the layer, so that a certificate that does not fit its key is an error with a name.
    const server = yield* Effect.try({
      try: () => serverWith(certificate),
      catch: () =>
        new CertificateRefused({
          message: "The certificate and its key cannot be used: both must be PEM, and belong together"
        })
    })
    return HttpRouter.serve(routes, { disableListenLog: true, disableLogger: true }).pipe(
      Layer.provideMerge(NodeHttpServer.layer(() => server, { ...address, gracefulShutdownTimeout: "3 seconds" }))
    )
  }))
