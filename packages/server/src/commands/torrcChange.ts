import type { LayerEdit } from "@patela/domain/torrc/editLayer"
import { lineDifferences } from "@patela/domain/torrc/lineDifferences"
import { Console, Effect } from "effect"
import { TorrcLayers } from "../torrc/TorrcLayers.ts"
import { scopeText, type TorrcScope } from "../torrc/TorrcScope.ts"
import { administrator } from "./administrator.ts"
import { fleetTotals } from "./describeFleetChange.ts"

export const tellWarnings = (warnings: ReadonlyArray<string>) =>
  Effect.forEach(warnings, (warning) => Console.error(`warning: ${warning}`), { discard: true })

const nothingText = (scope: TorrcScope, edit: LayerEdit, option: string | null): string =>
  edit.how === "remove"
    ? `The torrc of ${scopeText(scope)} has no ${option}; nothing was changed.`
    : `The torrc of ${scopeText(scope)} says so already; nothing was changed.`

const doneText = (scope: TorrcScope, edit: LayerEdit, option: string | null): string => {
  if (edit.how === "replace") return `The torrc of ${scopeText(scope)} is imported.`
  return edit.how === "set"
    ? `${option} is set in the torrc of ${scopeText(scope)}.`
    : `${option} is taken out of the torrc of ${scopeText(scope)}.`
}

const preview = Effect.fnUntraced(function*(scope: TorrcScope, edit: LayerEdit) {
  const { before, after, option, warnings, fleet } = yield* (yield* TorrcLayers).preview(scope, edit)
  yield* tellWarnings(warnings)
  const lines = lineDifferences(before, after)
  if (lines.length === 0) return yield* Console.log(nothingText(scope, edit, option))
  yield* Console.log([
    `The torrc of ${scopeText(scope)} would change:`,
    ...lines.map((line) => `  ${line}`),
    `${fleetTotals(fleet)} Nothing was changed.`
  ].join("\n"))
})

/** Changes a layer and says so, or says what would change. */
export const changeLayer = Effect.fnUntraced(function*(scope: TorrcScope, edit: LayerEdit, dryRun: boolean) {
  if (dryRun) return yield* preview(scope, edit)
  const { before, after, option, warnings } = yield* (yield* TorrcLayers).change(yield* administrator, scope, edit)
  yield* tellWarnings(warnings)
  const stored = option === null || after !== before
  yield* Console.log(stored ? doneText(scope, edit, option) : nothingText(scope, edit, option))
})
