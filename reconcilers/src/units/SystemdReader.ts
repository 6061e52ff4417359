import type { WatchSignal } from "@patela/domain/reconciler/Kind"
import { Context, Effect, Layer, Result, Schema, Stream } from "effect"
import { type BusEvent, BusFailed, MANAGER, MANAGER_PATH, SystemBus } from "../host/SystemBus.ts"
import { numberProperty } from "../host/UnitProperties.ts"

/** A unit as systemd lists it (org.freedesktop.systemd1(5), ListUnits); `path` is its object on the bus. */
export interface ListedUnit {
  readonly unit: string
  readonly active: string
  readonly sub: string
  readonly path: string
}

const Text = Schema.String
const Listed = Schema.Tuple([
  Schema.Array(Schema.Tuple([Text, Text, Text, Text, Text, Text, Text, Schema.Unknown, Text, Text]))
])
const decodeListed = Schema.decodeUnknownEffect(Listed)

/** Looks at tor's units. */
export class SystemdReader extends Context.Service<SystemdReader, {
  /** Every instance of tor that systemd has loaded; one call. */
  readonly list: Effect.Effect<ReadonlyArray<ListedUnit>, BusFailed>
  /** When the unit last began to start, before it read any file; milliseconds since 1970. */
  readonly startedAt: (unit: ListedUnit) => Effect.Effect<number, BusFailed>
  /** That something happened to an instance of tor. It ends after events were lost, to be opened anew. */
  readonly changes: Stream.Stream<WatchSignal, BusFailed>
}>()("@patela/reconcilers/units/SystemdReader") {
  static readonly layer: Layer.Layer<SystemdReader, never, SystemBus> = Layer.effect(
    SystemdReader,
    Effect.gen(function*() {
      const bus = yield* SystemBus

      const list = bus.call({
        path: MANAGER_PATH,
        interface: MANAGER,
        member: "ListUnitsByPatterns",
        signature: "asas",
        body: [[], ["tor@*.service"]]
      }).pipe(
        Effect.flatMap((body) => Effect.mapError(decodeListed(body), notUnderstood)),
        Effect.map(([units]) => units.map(([unit, , , active, sub, , path]) => ({ unit, active, sub, path }))),
        Effect.withSpan("SystemdReader.list")
      )

      const startedAt = Effect.fn("SystemdReader.startedAt")(({ path }: ListedUnit) =>
        Effect.map(numberProperty(bus, path, "Unit", "InactiveExitTimestamp"), (micros) => micros / 1000)
      )

      const changes = Stream.unwrap(Effect.map(bus.events, (events) => Stream.fromSubscription(events))).pipe(
        Stream.filterMap((event) => {
          const signal = signalOf(event)
          return signal === undefined ? Result.fail(undefined) : Result.succeed(signal)
        }),
        Stream.takeUntil((signal) => signal === "events lost")
      )

      return SystemdReader.of({ list, startedAt, changes })
    })
  )
}

const notUnderstood = (error: Schema.SchemaError): BusFailed =>
  new BusFailed({ name: null, message: `systemd's list of units is not what it should be: ${error.message}` })

const UNIT_EVENTS = new Set(["UnitNew", "UnitRemoved", "JobRemoved"])
const isText = Schema.is(Schema.String)

/** systemd's word for `tor@` in the path of a unit's object. */
const INSTANCE_PATH = `${MANAGER_PATH}/unit/tor_40`

/** What an event means to a watcher; undefined where it is about something else. */
export const signalOf = (event: BusEvent): WatchSignal | undefined => {
  if (event.event === "lost") return "events lost"
  const { body, member, path } = event
  if (member === "PropertiesChanged") return path.startsWith(INSTANCE_PATH) ? "look again" : undefined
  if (!UNIT_EVENTS.has(member) || !Array.isArray(body)) return undefined
  return body.some((part) => isText(part) && /^tor@.+\.service$/.test(part)) ? "look again" : undefined
}
