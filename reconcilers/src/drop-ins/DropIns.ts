import { make } from "@patela/domain/reconciler/Kind"
import type { Resource, ResourceAddress } from "@patela/domain/reconciler/Resource"
import { Effect, Stream } from "effect"
import type { Known } from "../host/FileMemory.ts"
import { FileMonitor } from "../host/FileMonitor.ts"
import { DROP_IN_FILE, RUNTIME_UNITS } from "../host/HostPaths.ts"
import { applyDropIns } from "./applyDropIns.ts"
import type { DaemonReload } from "./DaemonReload.ts"
import { type DesiredDropIn, desiredDropIns, dropInAddress } from "./DesiredDropIn.ts"
import { diffDropIns, type ObservedDropIn } from "./diffDropIns.ts"
import { DropInLedgerReader, type DropInLedgerWriter } from "./DropInLedger.ts"
import { DropInReader } from "./DropInReader.ts"
import type { DropInWriter } from "./DropInWriter.ts"

export type DropInReaders = DropInLedgerReader | DropInReader | FileMonitor
export type DropInWriters = DaemonReload | DropInLedgerWriter | DropInReader | DropInWriter

const ABSENT: Known<string> = { type: "absent" }

/** By the address of the drop-in. */
export const observeDropIns = Effect.fn("drop-ins.observe")(function*(desired: ReadonlyArray<Resource<DesiredDropIn>>) {
  const loaded = yield* (yield* DropInLedgerReader).read
  const files = yield* (yield* DropInReader).readAll
  const wanted = new Set(desired.map(({ value }) => value.relay))
  const observed = new Map<ResourceAddress, ObservedDropIn>()
  for (const relay of new Set([...files.keys(), ...loaded.keys()])) {
    const found = files.get(relay) ?? ABSENT
    // One that is wanted and is not there is one to create.
    if (found.type === "absent" && wanted.has(relay)) continue
    observed.set(dropInAddress(relay), { relay, found, loaded: loaded.get(relay) })
  }
  return observed
})

export const watchDropIns = (kind: string) =>
  Stream.unwrap(FileMonitor.useSync((files) => files.changes(kind, [`${RUNTIME_UNITS}/*/${DROP_IN_FILE}`])))

/** `relay/NAME/drop-in`: the relay's processor, memory and sandbox, as an addition to its unit. */
export const DropIns = make<DesiredDropIn, ObservedDropIn, DropInReaders, DropInWriters>({
  kind: "drop-ins",
  desired: desiredDropIns,
  observe: observeDropIns,
  diff: diffDropIns,
  apply: applyDropIns,
  watch: watchDropIns("drop-ins")
})
