import { type KindSpec, make } from "@patela/domain/reconciler/Kind"
import type { Resource, ResourceAddress } from "@patela/domain/reconciler/Resource"
import { Effect, Stream } from "effect"
import { applySettings } from "./applySettings.ts"
import type { DesiredSettings } from "./desiredSettings.ts"
import { diffSettings, type ObservedSettings } from "./diffSettings.ts"
import { pathsOf } from "./Setting.ts"
import { SettingLedgerReader, type SettingLedgerWriter } from "./SettingLedger.ts"
import { SettingReader } from "./SettingReader.ts"
import type { SettingWriter } from "./SettingWriter.ts"

type Readers = SettingLedgerReader | SettingReader
type Writers = SettingLedgerWriter | SettingWriter
type Spec = KindSpec<DesiredSettings, ObservedSettings, Readers, Writers>

/** A kind whose one resource is a list of kernel settings: raised where they are lower, and put back when unwanted. */
export const settingsKind = (kind: string, address: ResourceAddress, desired: Spec["desired"]) => {
  const observe = Effect.fn(`${kind}.observe`)(function*(wanted: ReadonlyArray<Resource<DesiredSettings>>) {
    const all = yield* (yield* SettingLedgerReader).read
    const records = new Map([...all].filter(([, record]) => record.kind === kind))
    const wished = wanted.flatMap(({ value }) => value.settings.flatMap(pathsOf))
    if (wished.length === 0 && records.size === 0) return new Map<ResourceAddress, ObservedSettings>()
    const values = yield* (yield* SettingReader).read(kind, [...new Set([...wished, ...records.keys()])])
    return new Map([[address, { values, records }]])
  })

  return make<DesiredSettings, ObservedSettings, Readers, Writers>({
    kind,
    desired,
    observe,
    diff: diffSettings,
    apply: applySettings(kind),
    watch: Stream.unwrap(Effect.map(SettingReader, ({ changes }) => changes(kind)))
  })
}
