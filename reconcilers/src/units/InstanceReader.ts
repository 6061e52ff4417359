import { ObservationFailed } from "@patela/domain/reconciler/Kind"
import type { RelayName } from "@patela/domain/relay/RelayName"
import { OWNED_HEADER } from "@patela/domain/torrc/ManagedLines"
import { Context, Effect, Layer } from "effect"
import * as fs from "node:fs/promises"
import { INSTANCES_CONFIG } from "../host/HostPaths.ts"
import { causeText, errorCode } from "../host/SystemError.ts"
import { loadedFrom, type LoadedTorrc } from "./LoadedTorrc.ts"

/** The torrc of an instance as it is on disk. */
export interface InstanceTorrc {
  readonly content: LoadedTorrc
  /** Milliseconds since 1970. */
  readonly changedAt: number
  /** It begins with Patela's header. */
  readonly managed: boolean
}

/** Reads the torrc files of instances; their directories are root's. */
export class InstanceReader extends Context.Service<InstanceReader, {
  /** Instances with no torrc are left out. */
  readonly read: (
    names: ReadonlyArray<RelayName>
  ) => Effect.Effect<ReadonlyMap<RelayName, InstanceTorrc>, ObservationFailed>
}>()("@patela/reconcilers/units/InstanceReader") {
  /** Instances' configuration directories are in `root`. */
  static readonly layerAt = (root: string): Layer.Layer<InstanceReader> =>
    Layer.succeed(
      InstanceReader,
      InstanceReader.of({
        read: Effect.fn("InstanceReader.read")(function*(names: ReadonlyArray<RelayName>) {
          const found = yield* Effect.forEach(names, (name) =>
            Effect.tryPromise({
              try: () => readNow(`${root}/${name}/torrc`),
              catch: (cause) =>
                new ObservationFailed({ kind: "units", message: `cannot read ${name}'s torrc: ${causeText(cause)}` })
            }).pipe(
              Effect.map((torrc) => [name, torrc] as const)
            ), { concurrency: 16 })
          return new Map(found.flatMap(([name, torrc]) => (torrc === undefined ? [] : [[name, torrc] as const])))
        })
      })
    )

  static readonly layer = InstanceReader.layerAt(INSTANCES_CONFIG)
}

const readNow = async (path: string): Promise<InstanceTorrc | undefined> => {
  try {
    await using file = await fs.open(path, "r")
    const { mtimeMs } = await file.stat()
    const text = await file.readFile("utf8")
    return { content: loadedFrom(text), changedAt: mtimeMs, managed: text.startsWith(OWNED_HEADER) }
  } catch (cause) {
    if (errorCode(cause) === "ENOENT") return undefined
    throw cause
  }
}
