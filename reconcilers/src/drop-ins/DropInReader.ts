import { ObservationFailed } from "@patela/domain/reconciler/Kind"
import { RelayName } from "@patela/domain/relay/RelayName"
import { Context, Effect, Layer, Option, Schema } from "effect"
import { readdirSync } from "node:fs"
import { fileMemory, type Known } from "../host/FileMemory.ts"
import { DROP_IN_FILE, RUNTIME_UNITS } from "../host/HostPaths.ts"
import { causeText, errorCode } from "../host/SystemError.ts"

/** Reads Patela's drop-ins of tor's instances. */
export class DropInReader extends Context.Service<DropInReader, {
  /** What stands in the place of Patela's drop-in, for every instance that has one; whose it is, the caller judges. */
  readonly readAll: Effect.Effect<ReadonlyMap<RelayName, Known<string>>, ObservationFailed>
}>()("@patela/reconcilers/drop-ins/DropInReader") {
  /** Units' drop-in directories are in `root`. */
  static readonly layerAt = (root: string): Layer.Layer<DropInReader> =>
    Layer.sync(DropInReader, () => {
      const look = fileMemory((text) => text)
      return DropInReader.of({
        readAll: Effect.suspend(() => {
          let path = root
          return Effect.try({
            try: () =>
              new Map(
                entriesOf(root).flatMap(named).map(([name, entry]) => {
                  path = `${root}/${entry}/${DROP_IN_FILE}`
                  return [name, look(path)] as const
                }).filter(([, { type }]) => type !== "absent")
              ),
            catch: (cause) => unreadable(path, cause)
          })
        }).pipe(Effect.withSpan("DropInReader.readAll"))
      })
    })

  static readonly layer: Layer.Layer<DropInReader> = DropInReader.layerAt(RUNTIME_UNITS)
}

const decodeName = Schema.decodeUnknownOption(RelayName)

/** The relay whose unit's drop-ins a directory holds; none for other units, and for instances that no relay can have. */
const named = (entry: string): ReadonlyArray<readonly [RelayName, string]> =>
  Option.toArray(decodeName(/^tor@(.+)\.service\.d$/.exec(entry)?.[1])).map((name) => [name, entry] as const)

const entriesOf = (root: string): ReadonlyArray<string> => {
  try {
    return readdirSync(root)
  } catch (cause) {
    if (errorCode(cause) === "ENOENT") return []
    throw cause
  }
}

const unreadable = (path: string, cause: unknown): ObservationFailed =>
  new ObservationFailed({ kind: "drop-ins", message: `cannot read ${path}: ${causeText(cause)}` })
