import { make } from "@patela/domain/reconciler/Kind"
import type { Resource, ResourceAddress } from "@patela/domain/reconciler/Resource"
import { Effect, Stream } from "effect"
import { FileMonitor } from "../host/FileMonitor.ts"
import {
  configDirectoryOf,
  INSTANCES_CONFIG,
  INSTANCES_STATE,
  keysDirectoryOf,
  stateDirectoryOf
} from "../host/HostPaths.ts"
import { LedgerReader } from "../ledger/LedgerReader.ts"
import type { LedgerWriter } from "../ledger/LedgerWriter.ts"
import { applyDirectories } from "./applyDirectories.ts"
import { type DesiredDirectories, desiredDirectories, directoriesAddress } from "./DesiredDirectories.ts"
import { diffDirectories } from "./diffDirectories.ts"
import { DirectoryReader } from "./DirectoryReader.ts"
import type { DirectoryWriter } from "./DirectoryWriter.ts"
import type { Entry, ObservedDirectories } from "./ObservedDirectories.ts"

/** Wanted instances and those of the ledger; nobody else's is even looked at. */
const observe = Effect.fn("directories.observe")(function*(desired: ReadonlyArray<Resource<DesiredDirectories>>) {
  const reader = yield* DirectoryReader
  const ledger = yield* LedgerReader
  const owned = new Set((yield* ledger.read).instances)
  const wanted = new Set(desired.map(({ value }) => value.relay))
  const relays = [...new Set([...wanted, ...owned])]

  const shared = [INSTANCES_CONFIG, INSTANCES_STATE]
  const ownOf = (relay: typeof relays[number]) => [
    configDirectoryOf(relay),
    stateDirectoryOf(relay),
    keysDirectoryOf(relay)
  ]
  const found = yield* reader.look([...shared, ...relays.flatMap(ownOf)])

  const observed = new Map<ResourceAddress, ObservedDirectories>()
  for (const relay of relays) {
    const entries = new Map(
      [...shared, ...ownOf(relay)].map((path): [string, Entry] => [path, found.get(path) ?? { type: "absent" }])
    )
    const nothing = ownOf(relay).every((path) => entries.get(path)?.type === "absent")
    // An instance that is wanted and of which nothing is there is one to create, whatever the ledger says.
    if (nothing && wanted.has(relay)) continue
    observed.set(directoriesAddress(relay), { relay, owned: owned.has(relay), entries })
  }
  return observed
})

/** `relay/NAME/directories`: where an instance of tor has its configuration, its state and its keys. */
export const Directories = make<
  DesiredDirectories,
  ObservedDirectories,
  DirectoryReader | FileMonitor | LedgerReader,
  DirectoryWriter | LedgerWriter
>({
  kind: "directories",
  desired: desiredDirectories,
  observe,
  diff: diffDirectories,
  apply: applyDirectories,
  // By name: tor itself writes other things into its state directory all the time.
  watch: Stream.unwrap(
    FileMonitor.useSync((files) =>
      files.changes("directories", [`${INSTANCES_CONFIG}/*`, `${INSTANCES_STATE}/*`, `${INSTANCES_STATE}/*/keys`])
    )
  )
})
