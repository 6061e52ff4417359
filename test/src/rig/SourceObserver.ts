import { Effect, Option, Schema } from "effect"
import { fileURLToPath } from "node:url"
import { type DeadlineOptions, type DeadlinePassed, ifSome, waitFor } from "./Deadline.ts"
import type { Namespace } from "./Namespace.ts"
import { nodeBinary } from "./Repository.ts"

/** One TCP connection as the far end saw it; addresses as text, IPv4 without its IPv6 mapping. */
export const Sighting = Schema.Struct({
  port: Schema.Int,
  remoteAddress: Schema.String,
  localAddress: Schema.String
})
export type Sighting = typeof Sighting.Type

const decodeLine = Schema.decodeUnknownOption(Schema.fromJsonString(Sighting))

/** Listens in a namespace and remembers where connections came from: the only proof of a source address is the peer's. */
export interface SourceObserver {
  /** All connections seen so far, oldest first. */
  readonly seen: Effect.Effect<ReadonlyArray<Sighting>>
  /** Waits for a connection that satisfies the predicate, among past and coming ones. */
  readonly sighting: (
    what: string,
    is: (sighting: Sighting) => boolean,
    options?: DeadlineOptions
  ) => Effect.Effect<Sighting, DeadlinePassed>
}

export const SourceObserver = {
  make: Effect.fnUntraced(function*(namespace: Namespace, ports: ReadonlyArray<number>) {
    const script = fileURLToPath(new URL("./sourceObserver.mjs", import.meta.url))
    const observer = yield* namespace.start([nodeBinary, script, ...ports.map(String)])
    yield* observer.lineThat("the source observer to listen", (line) => line === "ready")
    const seen = Effect.map(observer.lines, (lines) => lines.flatMap((line) => Option.toArray(decodeLine(line))))
    const result: SourceObserver = {
      seen,
      sighting: (what, is, options) =>
        waitFor(
          what,
          Effect.map(seen, (all) => ifSome(Option.fromUndefinedOr(all.find(is)), JSON.stringify(all.slice(-5)))),
          options
        )
    }
    return result
  })
}
