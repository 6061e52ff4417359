import { make } from "@patela/domain/reconciler/Kind"
import type { ResourceAddress } from "@patela/domain/reconciler/Resource"
import { Effect, Stream } from "effect"
import { LedgerReader } from "../ledger/LedgerReader.ts"
import { applyTorrcs } from "./applyTorrcs.ts"
import { desiredTorrcs, torrcAddress } from "./DesiredTorrc.ts"
import { diffTorrcs } from "./diffTorrcs.ts"
import type { ObservedTorrc } from "./ObservedTorrc.ts"
import { TorrcReader } from "./TorrcReader.ts"

/** `relay/NAME/torrc`: the configuration of each relay, as tor@NAME.service reads it. */
export const Torrcs = make({
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
  // Periodic look only.
  watch: Stream.never
})
