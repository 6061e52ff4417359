import { ObservationFailed, type WatchSignal } from "@patela/domain/reconciler/Kind"
import { Stream } from "effect"
import type { HostMonitor } from "../host/HostMonitor.ts"
import { ipChanges } from "../host/IpChanges.ts"

/**
 * That something became of table 8020 or its rules, or of a link or an address: when a link goes down or loses its last
 * IPv4 address, the kernel takes away every IPv4 route by it and says nothing (fib_flush, net/ipv4/fib_frontend.c).
 */
export const watchRoutes: Stream.Stream<WatchSignal, ObservationFailed, HostMonitor> = ipChanges.pipe(
  Stream.map((change): WatchSignal => change === "lost" ? "events lost" : "look again"),
  Stream.mapError(({ message }) => new ObservationFailed({ kind: "routing", message }))
)
