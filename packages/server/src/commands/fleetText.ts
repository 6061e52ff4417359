import type { FleetChange } from "../fleet/fleetChanges.ts"
import { type FleetSight, isNodeInTrouble, isRelayInTrouble } from "../fleet/FleetSight.ts"
import { colour } from "./colour.ts"
import { plain, table } from "./table.ts"

const COLOURS: Readonly<Record<string, "green" | "yellow" | "red" | "dim">> = {
  alarm: "red",
  ahead: "red",
  behind: "yellow",
  blocked: "red",
  current: "green",
  disabled: "dim",
  enabled: "green",
  heard: "green",
  new: "yellow",
  "rolled back": "red",
  running: "green",
  silent: "red",
  unknown: "dim",
  waiting: "yellow"
}

const coloured = (word: string): string => {
  const style = COLOURS[word]
  return style === undefined ? word : colour(style, word)
}

/** How many of each word there are, such as `3 running, 1 blocked`. */
const countsText = (words: ReadonlyArray<string>): string => {
  const counts = new Map<string, number>()
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1)
  return [...counts].sort(([one], [other]) => one < other ? -1 : 1).map(([word, count]) => `${count} ${coloured(word)}`)
    .join(", ")
}

const summary = (title: string, words: ReadonlyArray<string>): string =>
  `${words.length} ${title}${words.length === 0 ? "" : `: ${countsText(words)}`}`

/** What trouble there is, the most that fits into so many lines, and how the rest of the fleet is. */
export const fleetScreen = (sight: FleetSight, generation: number, lines: number, width: number): string => {
  const nodes = [...sight.nodes]
  const relays = [...sight.relays]
  const enabled = nodes.filter(([, { state }]) => state === "enabled")
  const head = [
    summary("nodes", nodes.map(([, { state }]) => state)),
    summary("enabled", enabled.map(([, { contact }]) => contact)),
    summary(`configurations, generation ${generation}`, enabled.map(([, { configuration }]) => configuration)),
    summary("relays", relays.map(([, { state }]) => state))
  ]
  const troubles = [
    ...nodes.filter(([, node]) => isNodeInTrouble(node)).map(([id, node]) => [
      `node ${id}`,
      node.hostname === null ? "-" : plain(node.hostname),
      node.contact === "silent" ? coloured("silent") : coloured(node.configuration),
      plain(node.rolled_back ?? "")
    ]),
    ...relays.filter(([, relay]) => isRelayInTrouble(relay)).map(([name, relay]) => [
      name,
      `node ${relay.node}`,
      coloured(relay.state),
      plain(relay.alarm === null ? relay.blocked ?? "" : `its node reports other keys: ${relay.alarm}`)
    ])
  ]
  // The headings, an empty line before them and the last line.
  const room = Math.max(1, lines - head.length - 3)
  const shown = troubles.slice(0, room).map((row) => {
    const used = row.slice(0, 3).join("  ").length
    return row.map((cell, at) => at === 3 ? cell.slice(0, Math.max(20, width - used)) : cell)
  })
  const left = troubles.length - shown.length
  return [
    ...head,
    ...shown.length === 0 ? ["", "nothing is in trouble"] : ["", table(["WHAT", "WHERE", "STATE", "WHY"], shown)],
    ...left === 0 ? [] : [`and ${left} more: patela list all`]
  ].join("\n")
}

/** One change on one line, for a journal. */
export const changeLine = (at: string, { after, before, field, name, of }: FleetChange): string =>
  `${at} ${of} ${name} ${field}: ${plain(before ?? "-")} -> ${plain(after ?? "-")}`
