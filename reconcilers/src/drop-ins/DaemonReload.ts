import { type RelayName, unitOf } from "@patela/domain/relay/RelayName"
import { Context, Effect, Layer, Schema } from "effect"
import { dropInFileOf } from "../host/HostPaths.ts"
import { type BusFailed, MANAGER, MANAGER_PATH, SystemBus } from "../host/SystemBus.ts"
import { textsProperty, truthProperty } from "../host/UnitProperties.ts"

/** systemd did not read its units again, or does not say whether it did. */
export class DaemonReloadFailed extends Schema.TaggedError<DaemonReloadFailed>()("DaemonReloadFailed", {
  message: Schema.String
}) {}

/** What systemd itself says that it made of a relay's unit. */
export interface LoadedUnit {
  /** Patela's drop-in is among the files that it read. */
  readonly hasDropIn: boolean
  /** One of those files changed since. */
  readonly outdated: boolean
}

/** Has systemd read all units and drop-ins again, and asks what came of it. */
export class DaemonReload extends Context.Service<DaemonReload, {
  /** Running units go on; what concerns their control group (MemoryMax) holds at once, the rest at their next start. */
  readonly reload: Effect.Effect<void, DaemonReloadFailed>
  readonly look: (relay: RelayName) => Effect.Effect<LoadedUnit, DaemonReloadFailed>
}>()("@patela/reconcilers/drop-ins/DaemonReload") {
  static readonly layer: Layer.Layer<DaemonReload, never, SystemBus> = Layer.effect(
    DaemonReload,
    Effect.gen(function*() {
      const bus = yield* SystemBus
      const manager = { path: MANAGER_PATH, interface: MANAGER }

      const reload = bus.call({ ...manager, member: "Reload" }).pipe(
        Effect.asVoid,
        Effect.mapError(failure),
        Effect.withSpan("DaemonReload.reload")
      )

      const look = Effect.fn("DaemonReload.look")(function*(relay: RelayName) {
        const body = yield* bus.call({ ...manager, member: "LoadUnit", signature: "s", body: [unitOf(relay)] })
        const [path] = yield* decodePath(body)
        const [paths, outdated] = yield* Effect.all([
          textsProperty(bus, path, "Unit", "DropInPaths"),
          truthProperty(bus, path, "Unit", "NeedDaemonReload")
        ], { concurrency: 2 })
        return { hasDropIn: paths.includes(dropInFileOf(relay)), outdated }
      }, Effect.mapError(failure))

      return DaemonReload.of({ reload, look })
    })
  )
}

const decodePath = Schema.decodeUnknownEffect(Schema.Tuple([Schema.String]))

const failure = ({ message }: BusFailed | Schema.SchemaError): DaemonReloadFailed =>
  new DaemonReloadFailed({ message: `systemd was to read its units again (daemon-reload): ${message}` })
