import { Config, Context, Effect, Layer, Option, Schema } from "effect"
import { DEFAULT_WAITING } from "./waitingList.ts"

/** PATELA_WAITING_LIST is not a number of machines. */
export class WaitingBoundRefused extends Schema.TaggedError<WaitingBoundRefused>()("WaitingBoundRefused", {
  message: Schema.String
}) {}

/** How many machines may wait to be enabled. */
export class WaitingBound extends Context.Service<WaitingBound, { readonly machines: number }>()(
  "@patela/server/nodes/WaitingBound"
) {
  /** From PATELA_WAITING_LIST. */
  static readonly layer = Layer.effect(
    WaitingBound,
    Effect.gen(function*() {
      const setting = yield* Effect.orDie(Config.option(Config.String("PATELA_WAITING_LIST")))
      if (Option.isNone(setting) || setting.value === "") return WaitingBound.of({ machines: DEFAULT_WAITING })
      if (/^[1-9]\d{0,6}$/.test(setting.value)) return WaitingBound.of({ machines: Number(setting.value) })
      return yield* new WaitingBoundRefused({
        message: "PATELA_WAITING_LIST is how many machines may wait to be enabled, from 1 to 9999999"
      })
    })
  )
}
