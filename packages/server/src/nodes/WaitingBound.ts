import { Config, Context, Effect, Layer, Option, Schema } from "effect"
import { DEFAULT_DAYS, DEFAULT_WAITING } from "./waitingList.ts"

/** PATELA_WAITING_LIST is not a number of machines, or PATELA_WAITING_DAYS none of days. */
export class WaitingBoundRefused extends Schema.TaggedError<WaitingBoundRefused>()("WaitingBoundRefused", {
  message: Schema.String
}) {}

const numberOf = Effect.fnUntraced(function*(name: string, unset: number, message: string) {
  const setting = yield* Effect.orDie(Config.option(Config.String(name)))
  if (Option.isNone(setting) || setting.value === "") return unset
  if (/^[1-9]\d{0,6}$/.test(setting.value)) return Number(setting.value)
  return yield* new WaitingBoundRefused({ message })
})

/** How many machines may wait to be enabled, and for how many days one is listed that does not ask any more. */
export class WaitingBound extends Context.Service<WaitingBound, { readonly machines: number; readonly days: number }>()(
  "@patela/server/nodes/WaitingBound"
) {
  /** From PATELA_WAITING_LIST and PATELA_WAITING_DAYS. */
  static readonly layer = Layer.effect(
    WaitingBound,
    Effect.gen(function*() {
      return WaitingBound.of({
        machines: yield* numberOf(
          "PATELA_WAITING_LIST",
          DEFAULT_WAITING,
          "PATELA_WAITING_LIST is how many machines may wait to be enabled, from 1 to 9999999"
        ),
        days: yield* numberOf(
          "PATELA_WAITING_DAYS",
          DEFAULT_DAYS,
          "PATELA_WAITING_DAYS is for how many days a machine waits that does not ask any more, from 1 to 9999999"
        )
      })
    })
  )
}
