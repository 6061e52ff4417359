import type { AgentStatus } from "../status/AgentStatus.ts"
import type { Style } from "./Style.ts"

/** What systemd and tor say of a relay now. */
export interface RelayView {
  readonly relay: string
  readonly active: string
  readonly sub: string
  readonly ready: boolean
  readonly missing: ReadonlyArray<string>
}

/** The status for a person: the node in a line, the relays as a table, and below what is wrong and why. Pure. */
export const statusText = (
  status: AgentStatus,
  views: ReadonlyArray<RelayView>,
  now: number,
  style: Style
): string => {
  const good = status.verdict === "converged"
  const ago = (time: string) => agoText(now - Date.parse(time))
  const seen = new Map(views.map((view) => [view.relay, view]))
  const rows = status.relays.map(({ name, since, state }) => [
    name,
    unitText(seen.get(name)),
    state === "ok" ? "as configured" : "in trouble",
    ago(since),
    readyText(seen.get(name))
  ])
  const troubles = status.relays.flatMap(({ why }) => why === null ? [] : [why])
  return [
    `${(good ? style.good : style.bad)(status.verdict)} ${style.faint(`for ${ago(status.since)}`)}, ` +
    `configuration generation ${status.generation}`,
    ...(status.rolled_back === null ? [] : [style.bad(`rolled back: ${status.rolled_back}`)]),
    "",
    ...table([["RELAY", "UNIT", "STATE", "FOR", "READY"], ...rows]),
    ...section("In trouble", [...status.node, ...troubles], style),
    ...section("Contended: something keeps changing", status.contended, style),
    ...lastChange(status, ago, style)
  ].join("\n")
}

const unitText = (view: RelayView | undefined): string =>
  view === undefined ? "unknown" : view.sub === "" ? view.active : `${view.active} (${view.sub})`

const readyText = (view: RelayView | undefined): string =>
  view === undefined ? "unknown" : view.ready ? "yes" : `no: ${view.missing.join(", ")}`

const section = (title: string, lines: ReadonlyArray<string>, style: Style): ReadonlyArray<string> =>
  lines.length === 0 ? [] : ["", style.strong(title), ...lines.map((line) => `  ${line}`)]

/** The most changes of the last pass that are listed one by one. */
const MOST = 8

const lastChange = (
  { last_change }: AgentStatus,
  ago: (time: string) => string,
  style: Style
): ReadonlyArray<string> => {
  if (last_change === null) return []
  const { at, changes } = last_change
  const more = changes.length > MOST ? [`... and ${changes.length - MOST} more`] : []
  return section(`Last change, ${ago(at)} ago`, [...changes.slice(0, MOST), ...more], style)
}

const table = (rows: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<string> => {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ").trimEnd())
}

/** A length of time in its largest unit, such as `3 min`. Milliseconds in. */
const agoText = (millis: number): string => {
  const seconds = Math.max(0, Math.floor(millis / 1000))
  if (seconds < 90) return `${seconds} s`
  if (seconds < 90 * 60) return `${Math.floor(seconds / 60)} min`
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h`
  return `${Math.floor(seconds / 86_400)} d`
}
