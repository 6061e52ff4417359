import { type Family, ROUTE_TYPES, type RouteEntry, TABLE } from "./RouteEntry.ts"

/**
 * The entries that `ip -N -o -batch` printed for `rule show` and `route show table 8020`, each in words that `ip` takes
 * back: unlike `RouteEntry` as it is read to be compared, with everything there is to say of it. Pure.
 */
export const textEntries = (family: Family, output: string): ReadonlyArray<RouteEntry> =>
  output.split("\n").flatMap((line): ReadonlyArray<RouteEntry> => {
    const text = line.replaceAll("\\", " ").replaceAll(PASSING, "").replaceAll(PROTOCOL, "$1").replaceAll(/\s+/g, " ")
      .trim()
    if (text === "") return []
    const [, preference, rule] = /^(\d+): (.*)$/.exec(text) ?? []
    if (preference === undefined || rule === undefined) return [routeOf(family, text)]
    if (!` ${rule} `.includes(` lookup ${TABLE} `)) return []
    return [{ family, what: "rule", role: "other", line: `pref ${preference} ${rule}` }]
  })

const routeOf = (family: Family, text: string): RouteEntry => {
  const [, number, rest] = /^(\d+) (.*)$/.exec(text) ?? []
  const line = number === undefined ? text : `${ROUTE_TYPES[number] ?? number} ${rest}`
  return {
    family,
    what: "route",
    role: line.startsWith("unreachable default") ? "unreachable" : "other",
    // Next hops are the last of a route (ip-route(8)).
    line: line.replace(/(?= nexthop )|$/, ` table ${TABLE}`)
  }
}

/** What ip says of an entry that comes and goes by itself, and does not take back (iproute2 6.1, iproute.c, iprule.c). */
const PASSING =
  /\[detached\]|\berror -?\d+|\bexpires \S+|\b(?:dead|linkdown|offload|rt_offload|trap|rt_trap|unresolved)\b/g

/** How `ip -N` prints the transport protocol of a rule. It reads the number alone. */
const PROTOCOL = /\bipproto-(\d+)/g
