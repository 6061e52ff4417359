import { done, failed, type Outcome } from "@patela/domain/reconciler/Outcome"
import type { ResourceAddress } from "@patela/domain/reconciler/Resource"
import type { RelayName } from "@patela/domain/relay/RelayName"
import { Effect } from "effect"
import { dropInFileOf } from "../host/HostPaths.ts"
import { DaemonReload, type LoadedUnit } from "./DaemonReload.ts"
import { beforeTorrc, type DropInChange, isForeign, wrongInFile } from "./diffDropIns.ts"
import { DropInLedgerWriter } from "./DropInLedger.ts"
import { DropInReader } from "./DropInReader.ts"
import { DropInWriter } from "./DropInWriter.ts"

/**
 * All files first, then one daemon-reload for them all, which systemd is then asked about. An agent that is killed
 * between leaves files that the ledger does not say systemd has read, and so does the reload again.
 */
export const applyDropIns = (changes: ReadonlyArray<DropInChange>) =>
  putAll(
    changes.map((change) =>
      change.action === "update" ? { ...change, desired: beforeTorrc(change.desired, change.observed) } : change
    )
  )

/** Puts the files in place just as they are desired. */
export const putAll = Effect.fn("drop-ins.apply")(function*(changes: ReadonlyArray<DropInChange>) {
  const outcomes = new Map<ResourceAddress, Outcome>()
  const put: Array<DropInChange> = []
  for (const change of changes) {
    const refused = refusalOf(change) ?? (yield* Effect.match(write(change), whatBecame))
    if (refused === undefined) put.push(change)
    else outcomes.set(change.address, failed(refused))
  }
  if (put.length === 0) return outcomes
  const settled = yield* Effect.match(settle(put), {
    onFailure: ({ message }) => new Map(put.map(({ address }) => [address, failed(message)] as const)),
    onSuccess: (each) => each
  })
  return new Map([...outcomes, ...settled])
})

const whatBecame = {
  onFailure: ({ message }: { readonly message: string }): string | undefined => message,
  onSuccess: () => undefined
}

const relayOf = (change: DropInChange): RelayName =>
  change.action === "remove" ? change.observed.relay : change.desired.relay

const refusalOf = (change: DropInChange): string | undefined =>
  change.action === "update" && isForeign(change.observed)
    ? `${dropInFileOf(change.desired.relay)} is there and is not Patela's; remove it`
    : undefined

const write = Effect.fnUntraced(function*(change: DropInChange) {
  const writer = yield* DropInWriter
  if (change.action === "remove") return yield* writer.remove(change.observed.relay)
  if (change.action === "update" && wrongInFile(change.desired, change.observed).length === 0) return
  yield* writer.write(change.desired)
})

/** The files are looked at before systemd reads them: one that changes meanwhile has another stamp than was noted. */
const settle = Effect.fnUntraced(function*(put: ReadonlyArray<DropInChange>) {
  const reader = yield* DropInReader
  const systemd = yield* DaemonReload
  const ledger = yield* DropInLedgerWriter
  const files = yield* reader.readAll
  yield* systemd.reload
  const outcomes = new Map<ResourceAddress, Outcome>()
  const loaded = new Map<RelayName, string>()
  const gone: Array<RelayName> = []
  const looks = yield* Effect.forEach(
    put,
    (change) => Effect.map(systemd.look(relayOf(change)), (unit) => ({ change, unit })),
    { concurrency: 16 }
  )
  for (const { change, unit } of looks) {
    const relay = relayOf(change)
    const file = files.get(relay)
    const wrong = wrongInUnit(change, unit)
    if (wrong === undefined && change.action === "remove") gone.push(relay)
    else if (wrong === undefined && file?.type === "file") loaded.set(relay, file.stamp)
    outcomes.set(change.address, wrong === undefined ? done : failed(wrong))
  }
  yield* ledger.update(loaded, gone)
  return outcomes
})

/** What systemd was asked to read and has not, in words; undefined where it has. */
const wrongInUnit = (change: DropInChange, { hasDropIn, outdated }: LoadedUnit): string | undefined => {
  const wanted = change.action !== "remove"
  const path = dropInFileOf(relayOf(change))
  if (hasDropIn !== wanted) {
    return wanted
      ? `systemd read its units again but not ${path}: is the unit masked?`
      : `${path} was removed, but systemd still has it`
  }
  return outdated ? `${path} or another file of the unit changed while systemd read it` : undefined
}
