import { SLOTS } from "@patela/domain/relay/Slot"
import { Context, Effect, Layer, Option, Result, Schema } from "effect"
import { settingRows } from "../settings/settingRows.ts"
import { asStoreFailed, type StoreFailed } from "../store/StoreFailed.ts"
import { MOST_PER_ADDRESS } from "./OrPorts.ts"

/**
 * How relays are given. `quarantine_hours`: for how long after its removal nobody gets what a relay had.
 * `relays_per_node`: how many relays a node gets at most by its hardware; a number of the node's own goes before it.
 * `relays_per_address`: how many relays of a node are given one IPv4 address together; earlier versions stored none.
 */
export const AllocationRules = Schema.Struct({
  quarantine_hours: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 24 * 3650 }))),
  relays_per_node: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: SLOTS }))),
  relays_per_address: Schema.Int.pipe(
    Schema.check(Schema.isBetween({ minimum: 1, maximum: MOST_PER_ADDRESS })),
    Schema.withDecodingDefaultKey(Effect.succeed(1))
  )
})
export type AllocationRules = typeof AllocationRules.Type

/**
 * A week: longer than tor keeps the descriptor of a relay that is gone (OLD_ROUTER_DESC_MAX_AGE, 5 days), and than a machine
 * is off for without somebody missing it.
 */
export const DEFAULT_RULES: AllocationRules = {
  quarantine_hours: 7 * 24,
  relays_per_node: SLOTS,
  relays_per_address: 1
}

/** What can be set of it. */
export const RULE_NAMES = ["quarantine", "relays-per-node", "relays-per-address"] as const
export type RuleName = (typeof RULE_NAMES)[number]

/** Those that are a number of relays. */
const NUMBERS = {
  "relays-per-node": { field: "relays_per_node", least: 0, most: SLOTS },
  "relays-per-address": { field: "relays_per_address", least: 1, most: MOST_PER_ADDRESS }
} as const

/** A rule as people write it: days or hours, or a number of relays. */
export const ruleText = (rules: AllocationRules, rule: RuleName): string => {
  if (rule !== "quarantine") return String(rules[NUMBERS[rule].field])
  const hours = rules.quarantine_hours
  return hours % 24 === 0 ? `${hours / 24}d` : `${hours}h`
}

/** The rules with one changed, or why the value cannot be. `default` gives the first value back. */
export const withRule = (
  rules: AllocationRules,
  rule: RuleName,
  value: string
): Result.Result<AllocationRules, string> => {
  if (rule !== "quarantine") {
    const { field, least, most } = NUMBERS[rule]
    if (value === "default") return Result.succeed({ ...rules, [field]: DEFAULT_RULES[field] })
    const relays = /^\d{1,4}$/.test(value) ? Number(value) : Number.NaN
    return least <= relays && relays <= most
      ? Result.succeed({ ...rules, [field]: relays })
      : Result.fail(`${rule} is a number from ${least} to ${most}, or default`)
  }
  if (value === "default") return Result.succeed({ ...rules, quarantine_hours: DEFAULT_RULES.quarantine_hours })
  const [, number, unit] = /^(\d{1,5})([dh])$/.exec(value) ?? []
  const hours = Number(number ?? Number.NaN) * (unit === "d" ? 24 : 1)
  return hours <= 24 * 3650
    ? Result.succeed({ ...rules, quarantine_hours: hours })
    : Result.fail("quarantine is a time such as 7d or 36h, 3650d at most, or default; 0d gives back at once")
}

/** The rules that the operator set, and otherwise those of a new server. */
export class AllocationSettings extends Context.Service<AllocationSettings, {
  readonly rules: Effect.Effect<AllocationRules, StoreFailed>
  readonly save: (rules: AllocationRules) => Effect.Effect<void, StoreFailed>
}>()("@patela/server/allocate/AllocationSettings") {
  static readonly layer = Layer.effect(
    AllocationSettings,
    Effect.gen(function*() {
      const Rules = Schema.fromJsonString(AllocationRules)
      const rows = yield* settingRows(Rules)
      return AllocationSettings.of({
        rules: rows.read("allocation").pipe(
          Effect.map(Option.match({ onNone: () => DEFAULT_RULES, onSome: ({ value }) => value })),
          asStoreFailed("read how relays are given")
        ),
        save: Effect.fn("AllocationSettings.save")(function*(rules: AllocationRules) {
          yield* rows.write("allocation", yield* Schema.encodeEffect(Rules)(rules))
        }, asStoreFailed("store how relays are given"))
      })
    })
  )
}
