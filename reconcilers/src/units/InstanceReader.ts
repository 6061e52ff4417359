import { ObservationFailed } from "@patela/domain/reconciler/Kind"
import { type RelayName, unitOf } from "@patela/domain/relay/RelayName"
import { OWNED_HEADER } from "@patela/domain/torrc/ManagedLines"
import { Context, Effect, Layer } from "effect"
import { fileMemory } from "../host/FileMemory.ts"
import { DROP_IN_FILE, INSTANCES_CONFIG, RUNTIME_UNITS } from "../host/HostPaths.ts"
import { causeText } from "../host/SystemError.ts"
import { dropInDigest, loadedFrom, type LoadedTorrc } from "./LoadedTorrc.ts"

/** What an instance is started with, as it is on disk: its torrc, and Patela's drop-in of its unit where there is one. */
export interface InstanceTorrc {
  readonly content: LoadedTorrc
  /** When either was last changed; milliseconds since 1970. */
  readonly changedAt: number
  /** The torrc begins with Patela's header. */
  readonly managed: boolean
}

/** Reads the torrcs and drop-ins of instances; their directories are root's. What did not change is not read again. */
export class InstanceReader extends Context.Service<InstanceReader, {
  /** Instances with no torrc are left out. */
  readonly read: (
    names: ReadonlyArray<RelayName>
  ) => Effect.Effect<ReadonlyMap<RelayName, InstanceTorrc>, ObservationFailed>
}>()("@patela/reconcilers/units/InstanceReader") {
  /** Instances' configuration directories are in `instances`, drop-in directories in `units`. */
  static readonly layerAt = (instances: string, units: string = RUNTIME_UNITS): Layer.Layer<InstanceReader> =>
    Layer.sync(InstanceReader, () => {
      const lookAtTorrc = fileMemory((text) => ({ content: loadedFrom(text), managed: text.startsWith(OWNED_HEADER) }))
      const lookAtDropIn = fileMemory(dropInDigest)

      const readNow = (name: RelayName): InstanceTorrc | undefined => {
        const torrc = lookAtTorrc(`${instances}/${name}/torrc`)
        if (torrc.type !== "file") return undefined
        const dropIn = lookAtDropIn(`${units}/${unitOf(name)}.d/${DROP_IN_FILE}`)
        const { changedAt, content: { content, managed } } = torrc
        if (dropIn.type !== "file") return { content, changedAt, managed }
        return {
          content: { ...content, dropIn: dropIn.content },
          changedAt: Math.max(changedAt, dropIn.changedAt),
          managed
        }
      }

      return InstanceReader.of({
        read: Effect.fn("InstanceReader.read")(function*(names: ReadonlyArray<RelayName>) {
          const found = yield* Effect.forEach(names, (name) =>
            Effect.try({
              try: () => readNow(name),
              catch: (cause) =>
                new ObservationFailed({
                  kind: "units",
                  message: `cannot read the torrc or drop-in of ${name}: ${causeText(cause)}`
                })
            }).pipe(
              Effect.map((torrc) => [name, torrc] as const)
            ))
          return new Map(found.flatMap(([name, torrc]) => (torrc === undefined ? [] : [[name, torrc] as const])))
        })
      })
    })

  static readonly layer = InstanceReader.layerAt(INSTANCES_CONFIG)
}
