import type { ListenAddress } from "@patela/domain/net/ListenAddress"
import { Console, Effect, Layer, Schema } from "effect"
import { HttpServer } from "effect/http"
import { NetAddress } from "effect/net"
import { Allocator } from "../allocate/Allocator.ts"
import { BootGate } from "../boot/BootGate.ts"
import * as MetricsServer from "../metrics/MetricsServer.ts"
import { Report } from "../nodes/Report.ts"
import { waitingSweep } from "../nodes/waitingSweep.ts"
import { Proofs } from "../session/Proofs.ts"
import { Sessions } from "../session/Sessions.ts"
import { Tokens } from "../session/Tokens.ts"
import { ResolvedConfig } from "../settings/ResolvedConfig.ts"
import { Trust } from "../trust/Trust.ts"
import { Admission } from "./Admission.ts"
import { EventStreams } from "./EventStreams.ts"
import * as HttpsServer from "./HttpsServer.ts"
import { readCertificate } from "./readCertificate.ts"

/** The address or the port cannot be listened on. */
export class ListenFailed extends Schema.TaggedError<ListenFailed>()("ListenFailed", { message: Schema.String }) {}

/** What the routes need besides the store. */
export const sessionServices = Layer.mergeAll(
  Allocator.layer,
  Report.layer,
  ResolvedConfig.layer,
  EventStreams.layer,
  Layer.provideMerge(
    Admission.layer,
    Layer.mergeAll(Tokens.layer, Sessions.layer, Proofs.layer, Trust.layer, BootGate.layer)
  )
)

const announce = Effect.gen(function*() {
  const { address } = yield* HttpServer.HttpServer
  yield* Console.log(`Patela listens on https://${NetAddress.formatSocketAddress(address)}`)
})

/** Built after the server and so undone before it: streams of events have no end of their own that it could wait for. */
const endStreams = Layer.effectDiscard(
  Effect.flatMap(EventStreams, (streams) => Effect.addFinalizer(() => streams.end))
)

/** Serves until it is interrupted. Streams of events end at once; requests under way then have three seconds to end. */
export const serve = Effect.fn("serve")(function*(input: {
  readonly host: string
  readonly port: number
  readonly certPath: string
  readonly keyPath: string
  /** Where metrics and health are served; nowhere without. */
  readonly metrics: ListenAddress | undefined
}) {
  const { host, port } = input
  const certificate = yield* readCertificate(input.certPath, input.keyPath)
  const server = Layer.mergeAll(
    Layer.effectDiscard(announce),
    Layer.effectDiscard(waitingSweep),
    endStreams,
    input.metrics === undefined ? Layer.empty : MetricsServer.layer(input.metrics)
  ).pipe(
    Layer.provideMerge(HttpsServer.layer(certificate, { host, port })),
    Layer.provide(sessionServices)
  )
  return yield* Layer.launch(server).pipe(
    Effect.catchTag("ServeError", ({ cause }) => {
      const why = cause instanceof Error ? cause.message : "the system gave no reason"
      return new ListenFailed({ message: `The server cannot listen on ${host} port ${port}: ${why}` })
    })
  )
})
