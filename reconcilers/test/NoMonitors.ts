import { Layer, Stream } from "effect"
import { FileMonitor } from "../src/host/FileMonitor.ts"
import { HostMonitor } from "../src/host/HostMonitor.ts"

/** What a kind is woken by. */
export type Monitors = FileMonitor | HostMonitor

/** For tests that watch nothing: no event ever comes. */
export const noMonitors = Layer.mergeAll(
  Layer.succeed(FileMonitor, FileMonitor.of({ changes: () => Stream.never })),
  Layer.succeed(HostMonitor, HostMonitor.of({ events: () => Stream.never }))
)
