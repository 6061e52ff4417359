import { MARK_BASE, MARK_MASK, UID_BASE, UID_LAST } from "@patela/domain/relay/Slot"

/**
 * The routing table of relays, which is wholly Patela's, and the preferences of the two rules that lead to it: after
 * the local table (0), so that loopback keeps working, and before the main table (32766).
 */
export const TABLE = 8020
export const PREFERENCE_UID = 8020
export const PREFERENCE_MARK = 8021

/** The metric of the route that refuses: the highest, so that it serves only where no other route is left. */
export const LAST_METRIC = 4_294_967_295

export type Family = "v4" | "v6"

/** What an entry is for. One of each role is wanted per family; every other entry of the table is foreign to it. */
export type Role = "default" | "subnet" | "unreachable" | "rule-uid" | "rule-mark" | "other"

/**
 * One entry of table 8020 or one rule that looks it up. `line` is all of it that is managed, in the words of
 * `ip route` and `ip rule`, in one order: two entries are the same exactly when their lines are.
 */
export interface RouteEntry {
  readonly family: Family
  readonly what: "route" | "rule"
  readonly role: Role
  readonly line: string
}

export interface Route {
  readonly type: "unicast" | "unreachable" | (string & {})
  readonly dst: string
  readonly gateway?: string | undefined
  readonly dev?: string | undefined
  /** The kernel's own default is 0 in IPv4 and 1024 in IPv6. */
  readonly metric: number
}

/** Route types of rtnetlink(7) as `ip -N` numbers them. */
export const ROUTE_TYPES: Readonly<Record<string, string>> = {
  1: "unicast",
  2: "local",
  3: "broadcast",
  4: "anycast",
  5: "multicast",
  6: "blackhole",
  7: "unreachable",
  8: "prohibit",
  9: "throw",
  10: "nat"
}

export const routeEntry = (family: Family, { dev, dst, gateway, metric, type }: Route): RouteEntry => ({
  family,
  what: "route",
  role: roleOf(type, dst),
  line: [
    ...(type === "unicast" ? [] : [type]),
    dst,
    ...(gateway === undefined ? [] : ["via", gateway]),
    ...(dev === undefined || type === "unreachable" ? [] : ["dev", dev]),
    "metric",
    String(metric),
    "table",
    String(TABLE)
  ].join(" ")
})

const roleOf = (type: string, dst: string): Role => {
  if (type === "unreachable") return dst === "default" ? "unreachable" : "other"
  if (type !== "unicast") return "other"
  return dst === "default" ? "default" : "subnet"
}

export interface Rule {
  readonly not?: boolean
  readonly preference: number
  readonly from?: string | undefined
  readonly to?: string | undefined
  readonly iif?: string | undefined
  readonly oif?: string | undefined
  readonly mark?: { readonly value: number; readonly mask: number } | undefined
  readonly uids?: { readonly first: number; readonly last: number } | undefined
}

export const ruleEntry = (family: Family, rule: Rule): RouteEntry => ({
  family,
  what: "rule",
  role: rule.uids !== undefined ? "rule-uid" : rule.mark !== undefined ? "rule-mark" : "other",
  line: [
    ...(rule.not === true ? ["not"] : []),
    "pref",
    String(rule.preference),
    "from",
    rule.from ?? "all",
    ...(rule.to === undefined ? [] : ["to", rule.to]),
    ...(rule.iif === undefined ? [] : ["iif", rule.iif]),
    ...(rule.oif === undefined ? [] : ["oif", rule.oif]),
    ...(rule.mark === undefined ? [] : ["fwmark", `${hex(rule.mark.value)}/${hex(rule.mark.mask)}`]),
    ...(rule.uids === undefined ? [] : ["uidrange", `${rule.uids.first}-${rule.uids.last}`]),
    "lookup",
    String(TABLE)
  ].join(" ")
})

const hex = (value: number): string => `0x${value.toString(16)}`

/** The first look-up of a packet, at connect(), is by the sender's UID (fib_rules, `uidrange`). */
export const uidRule = (family: Family): RouteEntry =>
  ruleEntry(family, { preference: PREFERENCE_UID, uids: { first: UID_BASE, last: UID_LAST } })

/** The second look-up, when the firewall mark has changed, does not see the UID, so it goes by the mark. */
export const markRule = (family: Family): RouteEntry =>
  ruleEntry(family, { preference: PREFERENCE_MARK, mark: { value: MARK_BASE, mask: MARK_MASK } })
