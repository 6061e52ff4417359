import { ObservationFailed } from "@patela/domain/reconciler/Kind"
import { RelayName } from "@patela/domain/relay/RelayName"
import { Context, Effect, Layer, Option, Schema } from "effect"
import { readdirSync } from "node:fs"
import { fileMemory } from "../host/FileMemory.ts"
import { INSTANCES_CONFIG, torrcFileOf } from "../host/HostPaths.ts"
import type { LookedAt } from "../host/LookAtFile.ts"
import { causeText, errorCode } from "../host/SystemError.ts"

/** Reads the torrcs of instances. */
export class TorrcReader extends Context.Service<TorrcReader, {
  /** What is in the place of the torrc of every instance on the host; whose it is, the caller judges. */
  readonly readAll: Effect.Effect<ReadonlyMap<RelayName, LookedAt>, ObservationFailed>
}>()("@patela/reconcilers/torrc/TorrcReader") {
  static readonly layer: Layer.Layer<TorrcReader> = Layer.sync(TorrcReader, () => {
    const look = fileMemory((text) => text)
    return TorrcReader.of({
      readAll: Effect.gen(function*() {
        const names = (yield* reading(INSTANCES_CONFIG, listInstances)).flatMap((name) =>
          Option.toArray(decodeName(name))
        )
        const found = yield* Effect.forEach(
          names,
          (name) => Effect.map(reading(torrcFileOf(name), look), (seen): [RelayName, LookedAt] => [name, seen])
        )
        return new Map(found)
      }).pipe(Effect.withSpan("TorrcReader.readAll"))
    })
  })
}

const decodeName = Schema.decodeUnknownOption(RelayName)

const listInstances = (path: string): ReadonlyArray<string> => {
  try {
    return readdirSync(path)
  } catch (cause) {
    if (errorCode(cause) === "ENOENT" || errorCode(cause) === "ENOTDIR") return []
    throw cause
  }
}

const reading = <A>(path: string, read: (path: string) => A): Effect.Effect<A, ObservationFailed> =>
  Effect.try({
    try: () => read(path),
    catch: (cause) => new ObservationFailed({ kind: "torrc", message: `cannot read ${path}: ${causeText(cause)}` })
  })
