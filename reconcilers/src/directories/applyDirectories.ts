import { done, failed, type Outcome } from "@patela/domain/reconciler/Outcome"
import type { ResourceAddress } from "@patela/domain/reconciler/Resource"
import { Effect } from "effect"
import { configDirectoryOf, stateDirectoryOf } from "../host/HostPaths.ts"
import { LedgerWriter } from "../ledger/LedgerWriter.ts"
import type { DirectorySpec } from "./DesiredDirectories.ts"
import { type DirectoriesChange, obstacleIn, wrongIn } from "./diffDirectories.ts"
import { DirectoryWriter } from "./DirectoryWriter.ts"
import type { ObservedDirectories } from "./ObservedDirectories.ts"

/** One relay after the other; the ledger gets all new names at once, before anything is made. */
export const applyDirectories = Effect.fn("directories.apply")(function*(changes: ReadonlyArray<DirectoriesChange>) {
  const ledger = yield* LedgerWriter
  const outcomes = new Map<ResourceAddress, Outcome>()
  const obstacles = new Map(
    changes.flatMap((change) => {
      const obstacle = change.action === "update" ? obstacleIn(change.desired, change.observed) : undefined
      return obstacle === undefined ? [] : [[change.address, obstacle] as const]
    })
  )
  const toMake = changes.flatMap((change) =>
    change.action !== "remove" && !obstacles.has(change.address) && wrongOf(change).some(({ own }) => own)
      ? [change.desired.relay]
      : []
  )
  const unlisted = yield* Effect.match(ledger.own("instances", toMake), {
    onFailure: ({ message }) => message,
    onSuccess: () => undefined
  })
  for (const change of changes) {
    const obstacle = obstacles.get(change.address) ?? (change.action === "remove" ? undefined : unlisted)
    outcomes.set(
      change.address,
      obstacle === undefined ? yield* Effect.match(applyOne(change), whatBecame) : failed(obstacle)
    )
  }
  return outcomes
})

type Making = Exclude<DirectoriesChange, { readonly action: "remove" }>

const wrongOf = (change: Making): ReadonlyArray<DirectorySpec> =>
  change.action === "create" ? change.desired.directories : wrongIn(change.desired, change.observed)

const whatBecame = { onFailure: ({ message }: { readonly message: string }) => failed(message), onSuccess: () => done }

const applyOne = (change: DirectoriesChange) =>
  change.action === "remove" ? removeDirectories(change.observed) : makeDirectories(change)

const makeDirectories = Effect.fn("directories.make")(function*(change: Making) {
  const writer = yield* DirectoryWriter
  for (const directory of wrongOf(change)) yield* writer.ensure(directory)
})

/**
 * Removes an instance with its keys. That is safe because they are kept in the TPM: the relay comes back with the same
 * identity when it is configured again, and a node without its disk has the same at every boot. Tor has stopped by
 * then, for the engine removes the unit first.
 */
const removeDirectories = Effect.fn("directories.remove")(function*({ relay }: ObservedDirectories) {
  const writer = yield* DirectoryWriter
  const ledger = yield* LedgerWriter
  yield* writer.remove(configDirectoryOf(relay))
  yield* writer.remove(stateDirectoryOf(relay))
  yield* ledger.disown("instances", [relay])
})
