import { ObservationFailed, type WatchSignal } from "@patela/domain/reconciler/Kind"
import { Result, Stream } from "effect"
import { HostMonitor, type MonitorEvent } from "../host/HostMonitor.ts"

/**
 * That a transaction changed the ruleset, whichever table: nft 1.0.6 does not print every object (no flowtable, for one),
 * but it ends every transaction with its generation, and once for all of it. What packets put into sets makes none.
 */
export const watchSources: Stream.Stream<WatchSignal, ObservationFailed, HostMonitor> = Stream.unwrap(
  HostMonitor.useSync((monitor) => monitor.events("nft", "monitor"))
).pipe(
  Stream.filterMap((event) => {
    const signal = signalOf(event)
    return signal === undefined ? Result.fail(undefined) : Result.succeed(signal)
  }),
  Stream.mapError(({ message }) => new ObservationFailed({ kind: "source-nat", message }))
)

function signalOf(event: MonitorEvent): WatchSignal | undefined {
  if (event.event === "lost") return "events lost"
  return event.event === "listening" || event.text.startsWith("# new generation") ? "look again" : undefined
}
