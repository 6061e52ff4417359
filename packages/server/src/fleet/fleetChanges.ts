import type { FleetSight } from "./FleetSight.ts"

/** A value that became another. `before` is null where the node or relay is new, `after` where it is gone. */
export interface FleetChange {
  readonly of: "node" | "relay"
  readonly name: string
  readonly field: string
  readonly before: string | null
  readonly after: string | null
}

const NOTHING: FleetSight = { nodes: new Map(), relays: new Map() }

type Fields = Readonly<Record<string, string | null>>

const changesIn = (
  of: FleetChange["of"],
  before: ReadonlyMap<string, object>,
  after: ReadonlyMap<string, object>
): ReadonlyArray<FleetChange> => {
  const fieldsOf = (sight: object | undefined): Fields => ({ ...sight })
  return [...new Set([...before.keys(), ...after.keys()])].flatMap((name) => {
    const [old, now] = [fieldsOf(before.get(name)), fieldsOf(after.get(name))]
    return [...new Set([...Object.keys(old), ...Object.keys(now)])].flatMap((field) => {
      const [was, is] = [old[field] ?? null, now[field] ?? null]
      return was === is ? [] : [{ of, name, field, before: was, after: is }]
    })
  })
}

/** What became of a fleet; of the first sight all that there is. Pure. */
export const fleetChanges = (before: FleetSight | undefined, after: FleetSight): ReadonlyArray<FleetChange> => [
  ...changesIn("node", (before ?? NOTHING).nodes, after.nodes),
  ...changesIn("relay", (before ?? NOTHING).relays, after.relays)
]
