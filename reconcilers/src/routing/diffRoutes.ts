import { type Change, differences } from "@patela/domain/reconciler/Change"
import type { Resource, ResourceAddress } from "@patela/domain/reconciler/Resource"
import type { RouteEntry } from "./RouteEntry.ts"

export type RouteChange = Change<RouteEntry, RouteEntry>

/**
 * Everything of table 8020 by resource address: a wanted entry where it stands as wanted, else another of its family
 * and role, which is then to be changed; all others by their own line.
 */
export const observedRoutes = (
  desired: ReadonlyArray<Resource<RouteEntry>>,
  entries: ReadonlyArray<RouteEntry>
): ReadonlyMap<ResourceAddress, RouteEntry> => {
  const observed = new Map<ResourceAddress, RouteEntry>()
  const left = new Set(entries)
  const take = (matches: (wanted: RouteEntry, entry: RouteEntry) => boolean) => {
    for (const { address, value } of desired) {
      if (observed.has(address)) continue
      const found = [...left].find((entry) => entry.family === value.family && matches(value, entry))
      if (found === undefined) continue
      observed.set(address, found)
      left.delete(found)
    }
  }
  take((wanted, entry) => wanted.what === entry.what && wanted.line === entry.line)
  take((wanted, entry) => wanted.role === entry.role)
  for (const { family, line, what, ...entry } of left) {
    observed.set(`routing/${family}/${what} ${line}`, { family, line, what, ...entry })
  }
  return observed
}

/** Every entry that is not wanted goes: the whole table, and each rule that looks it up, is Patela's. */
export const diffRoutes = (
  desired: ReadonlyArray<Resource<RouteEntry>>,
  observed: ReadonlyMap<ResourceAddress, RouteEntry>
): ReadonlyArray<RouteChange> =>
  desired.length === 0 ? [] : differences<RouteEntry, RouteEntry>({
    desired,
    observed,
    compare: (wanted, found) => wanted.line === found.line ? [] : [lineOf("-", found), lineOf("+", wanted)],
    created: (wanted) => [lineOf("+", wanted)],
    removed: (found) => ({ scope: "node", lines: [lineOf("-", found)] })
  })

const lineOf = (sign: string, { family, line, what }: RouteEntry): string =>
  `${sign} ip ${family === "v4" ? "-4" : "-6"} ${what} ${line}`
