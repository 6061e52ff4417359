import { ipv6FromBigInt, ipv6ToBigInt } from "@patela/domain/net/Ipv6"
import { ObservationFailed } from "@patela/domain/reconciler/Kind"
import { Context, Effect, Layer, Option, Schema } from "effect"
import { decodedOnce } from "../host/decodedOnce.ts"
import { HostCommand } from "../host/HostCommand.ts"
import { linkNames, LINKS } from "./LinkNames.ts"
import { type Family, ROUTE_TYPES, type RouteEntry, routeEntry, ruleEntry, TABLE } from "./RouteEntry.ts"
import { textEntries } from "./RouteText.ts"

const Uint32 = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 0xffff_ffff })))
const Hex = Schema.String.pipe(Schema.check(Schema.isPattern(/^0x[0-9a-fA-F]{1,8}$/)))
const text = Schema.optionalKey(Schema.NonEmptyString)
const number = Schema.optionalKey(Uint32)

/** `ip -N -j rule show` of iproute2 6.1. A rule that goes elsewhere by other means than a look-up has no table. */
const Rules = Schema.fromJsonString(Schema.Array(Schema.Struct({
  priority: Uint32,
  table: text,
  not: Schema.optionalKey(Schema.Null),
  src: text,
  srclen: number,
  dst: text,
  dstlen: number,
  iif: text,
  oif: text,
  fwmark: Schema.optionalKey(Hex),
  fwmask: Schema.optionalKey(Hex),
  uid_start: number,
  uid_end: number
})))

/** `ip -N -j route show table 8020` of iproute2 6.1. A multipath route has neither gateway nor device of its own. */
const Routes = Schema.fromJsonString(Schema.Array(Schema.Struct({
  type: text,
  dst: Schema.NonEmptyString,
  gateway: text,
  dev: text,
  metric: number
})))

type RuleRow = (typeof Rules.Type)[number]
type RouteRow = (typeof Routes.Type)[number]

/**
 * The entries that `ip -N -j -batch` wrote for `rule show` and `route show table 8020`: one JSON array a command, one
 * a line. Pure.
 */
export const readEntries = Effect.fn("readEntries")(function*(family: Family, output: string) {
  const documents = output.split("\n").filter((line) => line.trim() !== "")
  const [rules = "", routes = "", ...more] = documents
  if (more.length > 0) return yield* unreadable(`ip wrote ${documents.length} documents for two questions`)
  const decodedRules = yield* Schema.decodeUnknownEffect(Rules)(rules).pipe(
    Effect.mapError((error) => unreadable(`ip -j rule (${family}) wrote something unexpected: ${error.message}`))
  )
  const decodedRoutes = yield* Schema.decodeUnknownEffect(Routes)(routes).pipe(
    Effect.mapError((error) =>
      unreadable(`ip -j route show table ${TABLE} (${family}) wrote something unexpected: ${error.message}`)
    )
  )
  return [
    ...decodedRules.filter(({ table }) => table === String(TABLE)).map((row) => ruleOf(family, row)),
    ...decodedRoutes.map((row) => routeOf(family, row))
  ]
})

const ruleOf = (family: Family, row: RuleRow): RouteEntry =>
  ruleEntry(family, {
    not: row.not === null,
    preference: row.priority,
    from: row.src === undefined || row.src === "all" ? undefined : prefixOf(row.src, row.srclen),
    to: row.dst === undefined ? undefined : prefixOf(row.dst, row.dstlen),
    iif: row.iif,
    oif: row.oif,
    mark: row.fwmark === undefined
      ? undefined
      : { value: Number(row.fwmark), mask: row.fwmask === undefined ? 0xffff_ffff : Number(row.fwmask) },
    uids: row.uid_start === undefined || row.uid_end === undefined
      ? undefined
      : { first: row.uid_start, last: row.uid_end }
  })

const prefixOf = (address: string, length: number | undefined): string =>
  length === undefined ? address : `${address}/${length}`

const routeOf = (family: Family, row: RouteRow): RouteEntry =>
  routeEntry(family, {
    type: row.type === undefined ? "unicast" : ROUTE_TYPES[row.type] ?? row.type,
    dst: row.dst === "0.0.0.0/0" || row.dst === "::/0" ? "default" : row.dst,
    gateway: row.gateway === undefined ? undefined : canonical(row.gateway),
    dev: row.dev,
    metric: row.metric ?? 0
  })

const canonical = (address: string): string => {
  const value = ipv6ToBigInt(address)
  return value === undefined ? address : ipv6FromBigInt(value)
}

const unreadable = (message: string) => new ObservationFailed({ kind: "routing", message })

/** A kernel without IPv6 (`ipv6.disable=1`) has no IPv6 table: EAFNOSUPPORT or EOPNOTSUPP. */
const isWithoutFamily = (message: string): boolean => /not supported/.test(message)

/** Reads table 8020 and the rules that look it up, both families; changes nothing. */
export class RouteReader extends Context.Service<RouteReader, {
  readonly entries: Effect.Effect<ReadonlyArray<RouteEntry>, ObservationFailed>
  /** The same in the words of ip, all of them, to be given back to it (see `textEntries`). */
  readonly texts: Effect.Effect<ReadonlyArray<RouteEntry>, ObservationFailed>
}>()("@patela/reconcilers/routing/RouteReader") {
  static readonly layer: Layer.Layer<RouteReader, never, HostCommand> = Layer.effect(
    RouteReader,
    Effect.gen(function*() {
      const host = yield* HostCommand
      const namesHold = linkNames()
      const decoded = {
        v4: decodedOnce((output) => readEntries("v4", output)),
        v6: decodedOnce((output) => readEntries("v6", output))
      }
      // Two processes, for a batch has one family. `-N`: a table may have a name in rt_tables, and this is its number.
      const output = Effect.fnUntraced(function*(format: "-j" | "-o", family: "-4" | "-6") {
        const args = [family, "-N", format, "-batch", "-"] as const
        const questions = ["rule show", `route show table ${TABLE}`]
        const kept = format === "-j"
          ? yield* host.ask(["ip", ...args], [LINKS, ...questions], ([links = ""]) => namesHold(family, links))
          : Option.none()
        if (Option.isSome(kept)) return kept.value.slice(1).join("\n")
        return yield* host.run("ip", args, { stdin: questions.map((question) => `${question}\n`).join("") })
      })
      const ask = Effect.fnUntraced(function*(
        format: "-j" | "-o",
        read: (family: Family, output: string) => Effect.Effect<ReadonlyArray<RouteEntry>, ObservationFailed>
      ) {
        const answers = yield* Effect.forEach(
          ["v4", "v6"] as const,
          (family) =>
            output(format, family === "v4" ? "-4" : "-6").pipe(
              Effect.matchEffect({
                onSuccess: (text) => read(family, text),
                onFailure: ({ message }) =>
                  family === "v6" && isWithoutFamily(message) ? Effect.succeed([]) : Effect.fail(unreadable(message))
              })
            ),
          { concurrency: 2 }
        )
        return answers.flat()
      })
      return RouteReader.of({
        entries: ask("-j", (family, output) => decoded[family](output)).pipe(Effect.withSpan("RouteReader.entries")),
        texts: ask("-o", (family, output) => Effect.succeed(textEntries(family, output))).pipe(
          Effect.withSpan("RouteReader.texts")
        )
      })
    })
  )
}
