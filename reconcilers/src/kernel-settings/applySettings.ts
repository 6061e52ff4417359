import { done, failed, type Outcome } from "@patela/domain/reconciler/Outcome"
import type { ResourceAddress } from "@patela/domain/reconciler/Resource"
import { Effect } from "effect"
import {
  leftoversOf,
  type ObservedSettings,
  raisesOf,
  restoresOf,
  type SettingsChange,
  type SettingStep
} from "./diffSettings.ts"
import { SettingLedgerWriter, type SettingRecords } from "./SettingLedger.ts"
import { SettingWriter } from "./SettingWriter.ts"

/** What was before is noted before anything is written, and struck out after it is back. Each setting fails alone. */
export const applySettings = (kind: string) =>
  Effect.fn(`${kind}.apply`)(function*(changes: ReadonlyArray<SettingsChange>) {
    const outcomes = new Map<ResourceAddress, Outcome>()
    for (const change of changes) {
      outcomes.set(
        change.address,
        yield* Effect.match(applyOne(kind, change), {
          onFailure: ({ message }) => failed(message),
          onSuccess: (refusals) => refusals.length === 0 ? done : failed(refusals.join("; "))
        })
      )
    }
    return outcomes
  })

const applyOne = Effect.fnUntraced(function*(kind: string, change: SettingsChange) {
  const ledger = yield* SettingLedgerWriter
  const refusals: Array<string> = []
  const desired = change.action === "remove" ? undefined : change.desired
  if (change.action === "create") return refusals
  const { observed } = change

  const raises = desired === undefined ? [] : raisesOf(desired, observed)
  if (raises.length > 0) {
    yield* ledger.record(recordsOf(kind, raises, observed))
    refusals.push(...(yield* writeAll(raises)))
  }
  const leftovers = leftoversOf(desired, observed)
  if (leftovers.size > 0) {
    refusals.push(...(yield* writeAll(restoresOf(leftovers, observed))))
    yield* ledger.forget([...leftovers.keys()])
  }
  return refusals
})

const writeAll = Effect.fnUntraced(function*(steps: ReadonlyArray<SettingStep>) {
  const writer = yield* SettingWriter
  const refusals = yield* Effect.forEach(
    steps,
    ({ path, to }) =>
      Effect.match(writer.write(path, to), { onFailure: ({ message }) => [message], onSuccess: () => [] })
  )
  return refusals.flat()
})

/** A value that Patela wrote itself is not what was before; one that somebody else gave since is. */
const recordsOf = (
  kind: string,
  raises: ReadonlyArray<SettingStep>,
  { records }: ObservedSettings
): SettingRecords =>
  new Map(raises.map(({ from, path, to }) => {
    const known = records.get(path)
    return [path, { kind, before: known?.written === from ? known.before : from, written: to }] as const
  }))
