import { type Change, differences } from "@patela/domain/reconciler/Change"
import type { Resource, ResourceAddress } from "@patela/domain/reconciler/Resource"
import type { DesiredSettings } from "./desiredSettings.ts"
import { nameOf, type SettingValues, wantedText } from "./Setting.ts"
import type { SettingRecords } from "./SettingLedger.ts"

/** The settings that matter to a kind, and which of them it changed on this boot. */
export interface ObservedSettings {
  readonly values: SettingValues
  readonly records: SettingRecords
}

export type SettingsChange = Change<DesiredSettings, ObservedSettings>

/** A setting to write. */
export interface SettingStep {
  readonly path: string
  readonly from: string
  readonly to: string
}

/** What of the wished settings is not so. Pure. */
export const raisesOf = (
  { settings }: DesiredSettings,
  { values }: ObservedSettings
): ReadonlyArray<SettingStep> =>
  settings.flatMap((setting) => {
    const [from, to] = [values.get(setting.path)?.text, wantedText(setting, values)]
    return from === undefined || to === undefined ? [] : [{ path: setting.path, from, to }]
  })

/** Records of settings that are no longer wished for. Pure. */
export const leftoversOf = (
  desired: DesiredSettings | undefined,
  { records }: ObservedSettings
): SettingRecords => {
  const wished = new Set(desired?.settings.map(({ path }) => path))
  return new Map([...records].filter(([path]) => !wished.has(path)))
}

/** What is to be put back of them: only where the value is still the one that Patela wrote. Pure. */
export const restoresOf = (leftovers: SettingRecords, { values }: ObservedSettings): ReadonlyArray<SettingStep> =>
  // Last written, first put back.
  [...leftovers].toReversed().flatMap(([path, { before, written }]) => {
    const found = values.get(path)
    return found?.writable === true && found.text === written && before !== written
      ? [{ path, from: written, to: before }]
      : []
  })

/** Pure. */
export const diffSettings = (
  desired: ReadonlyArray<Resource<DesiredSettings>>,
  observed: ReadonlyMap<ResourceAddress, ObservedSettings>
): ReadonlyArray<SettingsChange> =>
  differences({
    desired,
    observed,
    compare: (wanted, seen) => [...raisesOf(wanted, seen).map(lineOf), ...leftoverLines(wanted, seen)],
    // The kernel always has settings: there is nothing to create, and `observe` leaves none out.
    created: () => [],
    removed: (seen) => {
      const lines = leftoverLines(undefined, seen)
      return lines.length === 0 ? undefined : { scope: "node", lines }
    }
  })

const lineOf = ({ from, path, to }: SettingStep): string => `${nameOf(path)}: ${shown(from)} -> ${shown(to)}`

const shown = (text: string): string => text === "" ? "nothing" : text.replaceAll("\t", " ")

const leftoverLines = (desired: DesiredSettings | undefined, seen: ObservedSettings): ReadonlyArray<string> => {
  const leftovers = leftoversOf(desired, seen)
  const restores = restoresOf(leftovers, seen)
  const kept = [...leftovers.keys()].filter((path) => !restores.some((step) => step.path === path))
  return [
    ...restores.map((step) => `${lineOf(step)}, as it was`),
    ...kept.map((path) => `${nameOf(path)} is no longer as Patela left it, and stays`)
  ]
}
