import { UID_BASE, UID_LAST } from "@patela/domain/relay/Slot"
import type { Schema } from "effect"
import { SET_NAMES, SETS } from "./RelaySource.ts"

type Json = Schema.Json
type JsonObject = { readonly [key: string]: Json }

/** The table is wholly Patela's. */
export const FAMILY = "inet"
export const TABLE = "patela"

const where = { family: FAMILY, table: TABLE } as const

/** What is not an element: chains, rules and empty sets, for relays that leave by `link`. In the JSON of nft 1.0.6. */
export const skeletonOf = (link: string): ReadonlyArray<JsonObject> => [
  { table: { family: FAMILY, name: TABLE } },
  ...SET_NAMES.map((name): JsonObject => {
    const { object, ...types } = SETS[name]
    return { [object]: { ...where, name, ...types } }
  }),
  // Runs after the first look-up, and has the packet looked up again when its mark has changed.
  chain("output", "route", "output", -150),
  // Resets, ICMP and the last acknowledgements come from the kernel and have no UID: their source says whose they are.
  rule("output", match(meta("mark"), 0), setMark(mapped(payload("ip", "saddr"), "@source_v4"))),
  rule("output", match(meta("mark"), 0), setMark(mapped(payload("ip6", "saddr"), "@source_v6"))),
  // A UID says more than a source, which the kernel may have picked: one of no relay gets no mark by what it has.
  rule("output", fromRelay(), setMark(0)),
  rule("output", setMark(mapped(meta("skuid"), "@uid_mark"))),
  chain("postrouting", "nat", "postrouting", 100),
  rule("postrouting", family("ipv4"), leavingBy(link), snat("ip", "@mark_v4")),
  rule("postrouting", family("ipv6"), leavingBy(link), snat("ip6", "@mark_v6")),
  // After the source is translated: what a relay sends leaves by loopback or with its own source by its own link, or
  // not at all, whatever became of the routing table, an element or the translation. It hooks where packets have their
  // last device, which a chain of the output hook does not see after a second look-up.
  chain("guard", "filter", "postrouting", 110),
  rule("guard", fromRelay(), leavingBy("lo"), { accept: null }),
  rule("guard", fromRelay(), leavingBy(link), owns("ip", "@own_v4"), { accept: null }),
  rule("guard", fromRelay(), leavingBy(link), owns("ip6", "@own_v6"), { accept: null }),
  rule("guard", fromRelay(), { counter: null }, { drop: null })
]

const chain = (name: string, type: string, hook: string, prio: number): JsonObject => ({
  chain: { ...where, name, type, hook, prio, policy: "accept" }
})

const rule = (name: string, ...expr: ReadonlyArray<Json>): JsonObject => ({ rule: { ...where, chain: name, expr } })

function meta(key: string): JsonObject {
  return { meta: { key } }
}

function payload(protocol: string, field: string): JsonObject {
  return { payload: { protocol, field } }
}

function match(left: Json, right: Json): JsonObject {
  return { match: { op: "==", left, right } }
}

function setMark(value: Json): JsonObject {
  return { mangle: { key: meta("mark"), value } }
}

function mapped(key: Json, data: string): JsonObject {
  return { map: { key, data } }
}

function family(name: string): JsonObject {
  return match(meta("nfproto"), name)
}

function leavingBy(link: string): JsonObject {
  return match(meta("oifname"), link)
}

function snat(protocol: string, data: string): JsonObject {
  return { snat: { family: protocol, addr: mapped(meta("mark"), data) } }
}

function owns(protocol: string, set: string): JsonObject {
  return match({ concat: [meta("mark"), payload(protocol, "saddr")] }, set)
}

function fromRelay(): JsonObject {
  return match(meta("skuid"), { range: [UID_BASE, UID_LAST] })
}
