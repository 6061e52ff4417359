import { make } from "@patela/domain/reconciler/Kind"
import { lastResult } from "@patela/domain/reconciler/lastResult"
import type { Resource } from "@patela/domain/reconciler/Resource"
import { Effect } from "effect"
import type { HostMonitor } from "../host/HostMonitor.ts"
import { LedgerReader } from "../ledger/LedgerReader.ts"
import type { LedgerWriter } from "../ledger/LedgerWriter.ts"
import { AddressReader } from "./AddressReader.ts"
import type { AddressWriter } from "./AddressWriter.ts"
import { applyAddresses } from "./applyAddresses.ts"
import { checkpointAddresses } from "./checkpointAddresses.ts"
import { type DesiredAddress, desiredAddresses } from "./DesiredAddress.ts"
import { diffAddresses, type ObservedAddress, observedAddresses } from "./diffAddresses.ts"
import { watchAddresses } from "./watchAddresses.ts"

type Readers = AddressReader | HostMonitor | LedgerReader
const observed = lastResult(observedAddresses)

type Writers = AddressWriter | LedgerWriter

/** The relay link, up, and each relay's addresses on it. */
export const Addresses = make<DesiredAddress, ObservedAddress, Readers, Writers>({
  kind: "addresses",
  desired: desiredAddresses,
  observe: Effect.fn("Addresses.observe")(function*(desired: ReadonlyArray<Resource<DesiredAddress>>) {
    const links = yield* (yield* AddressReader).links
    const { addresses } = yield* (yield* LedgerReader).read
    return observed(desired, links, addresses)
  }),
  diff: diffAddresses,
  apply: applyAddresses,
  watch: watchAddresses,
  checkpoint: checkpointAddresses
})
