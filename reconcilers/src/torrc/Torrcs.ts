import { make } from "@patela/domain/reconciler/Kind"
import type { ResourceAddress } from "@patela/domain/reconciler/Resource"
import { Effect, Stream } from "effect"
import { FileMonitor } from "../host/FileMonitor.ts"
import { INSTANCES_CONFIG } from "../host/HostPaths.ts"
import { LedgerReader } from "../ledger/LedgerReader.ts"
import { applyTorrcs } from "./applyTorrcs.ts"
import { type DesiredTorrc, desiredTorrcs, torrcAddress } from "./DesiredTorrc.ts"
import { diffTorrcs } from "./diffTorrcs.ts"
import type { ObservedTorrc } from "./ObservedTorrc.ts"
import { TorrcReader } from "./TorrcReader.ts"
import type { TorrcVerifier } from "./TorrcVerifier.ts"
import type { TorrcWriter } from "./TorrcWriter.ts"

/** `relay/NAME/torrc`: the configuration of each relay, as tor@NAME.service reads it. */
export const Torrcs = make<
  DesiredTorrc,
  ObservedTorrc,
  FileMonitor | LedgerReader | TorrcReader,
  TorrcVerifier | TorrcWriter
>({
  kind: "torrc",
  desired: desiredTorrcs,
  observe: Effect.fn("torrc.observe")(function*() {
    const reader = yield* TorrcReader
    const ledger = yield* LedgerReader
    const owned = new Set((yield* ledger.read).instances)
    const observed = new Map<ResourceAddress, ObservedTorrc>()
    for (const [relay, found] of yield* reader.readAll) {
      if (found.type !== "absent") observed.set(torrcAddress(relay), { relay, found, owned: owned.has(relay) })
    }
    return observed
  }),
  diff: diffTorrcs,
  apply: applyTorrcs,
  watch: Stream.unwrap(FileMonitor.useSync((files) => files.changes("torrc", [`${INSTANCES_CONFIG}/*/torrc`])))
})
