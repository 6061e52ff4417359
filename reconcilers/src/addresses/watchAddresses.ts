import { ObservationFailed, type WatchSignal } from "@patela/domain/reconciler/Kind"
import { Result, Stream } from "effect"
import type { HostMonitor } from "../host/HostMonitor.ts"
import { type IpChange, ipChanges } from "../host/IpChanges.ts"

/** That something became of a link or an address of the host. */
export const watchAddresses: Stream.Stream<WatchSignal, ObservationFailed, HostMonitor> = ipChanges.pipe(
  Stream.filterMap((change) => {
    const signal = signalOf(change)
    return signal === undefined ? Result.fail(undefined) : Result.succeed(signal)
  }),
  Stream.mapError(({ message }) => new ObservationFailed({ kind: "addresses", message }))
)

function signalOf(change: IpChange): WatchSignal | undefined {
  if (change === "relay routing") return undefined
  return change === "lost" ? "events lost" : "look again"
}
