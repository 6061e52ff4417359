import { Config, Effect, Option, Schema } from "effect"

/** A PATELA_ variable of the limits is no number. */
export class LimitRefused extends Schema.TaggedError<LimitRefused>()("LimitRefused", { message: Schema.String }) {}

/** A limit that an environment variable may set, from 1 to 9999999; `what` completes "NAME is". */
export const numberSetting = Effect.fnUntraced(function*(name: string, what: string, unset: number) {
  const setting = yield* Effect.orDie(Config.option(Config.String(name)))
  if (Option.isNone(setting) || setting.value === "") return unset
  if (/^[1-9]\d{0,6}$/.test(setting.value)) return Number(setting.value)
  return yield* new LimitRefused({ message: `${name} is ${what}, from 1 to 9999999` })
})
