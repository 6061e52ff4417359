import type { ChangedRelays, FleetChange } from "../torrc/fleetChange.ts"

/** How many relays of a group are named. */
const MOST_NAMES = 8

const counted = (count: number, one: string, many: string): string => `${count} ${count === 1 ? one : many}`

const relaysText = (count: number): string => counted(count, "relay", "relays")

const sumOf = (groups: ReadonlyArray<ChangedRelays>): number =>
  groups.reduce((sum, { relays }) => sum + relays.length, 0)

const impactText = (impact: ChangedRelays["impact"], groups: ReadonlyArray<ChangedRelays>): ReadonlyArray<string> => {
  const count = sumOf(groups.filter((group) => group.impact === impact))
  return count === 0 ? [] : [`${count} ${impact === "reload" ? "reloaded" : "restarted"}`]
}

/** How many relays would change, and how: one sentence. */
export const fleetTotals = ({ changed, unchanged }: FleetChange): string => {
  const count = sumOf(changed)
  if (count + unchanged === 0) return "There are no relays yet."
  if (count === 0) return `None of ${relaysText(unchanged)} would change.`
  const impacts = [...impactText("reload", changed), ...impactText("restart", changed)].join(", ")
  return `${count} of ${relaysText(count + unchanged)} would change: ${impacts}.`
}

const nodesText = (relays: ChangedRelays["relays"]): string => {
  const [first, ...others] = new Set(relays.map(({ node }) => node))
  return others.length === 0 ? `node ${first}` : `${others.length + 1} nodes`
}

const namesText = (relays: ChangedRelays["relays"]): string => {
  const names = relays.slice(0, MOST_NAMES).map(({ name }) => name).join(", ")
  return relays.length > MOST_NAMES ? `${names} and ${relays.length - MOST_NAMES} more` : names
}

const groupText = ({ impact, lines, relays, restart_for }: ChangedRelays): string =>
  [
    `${impact}  ${relaysText(relays.length)} of ${nodesText(relays)}: ${namesText(relays)}`,
    ...restart_for.length === 0 ? [] : [`  (a running tor cannot change ${restart_for.join(", ")})`],
    ...lines.map((line) => `  ${line}`)
  ].join("\n")

/** What would become of the relays: a block for those of which the same is to be said, then the totals. */
export const fleetChangeText = (change: FleetChange): string =>
  [...change.changed.map(groupText), fleetTotals(change)].join("\n\n")
