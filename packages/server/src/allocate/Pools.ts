import type { Ipv4 } from "@patela/domain/net/Ipv4"
import type { Ipv6 } from "@patela/domain/net/Ipv6"
import { Config, Context, Effect, Layer, Option, type Result, Schema } from "effect"
import { type Pool, type PoolRefused, poolV4, poolV6 } from "./AddressPool.ts"
import { DEFAULT_MEMORY_BOUND } from "./relayCount.ts"

/** A PATELA_ variable of the allocation is missing or wrong. */
export class PoolSettingRefused extends Schema.TaggedError<PoolSettingRefused>()("PoolSettingRefused", {
  message: Schema.String
}) {}

const text = (name: string) =>
  Effect.map(Effect.orDie(Config.option(Config.String(name))), (value) => Option.filter(value, (some) => some !== ""))

const EXAMPLE = "for example PATELA_FIRST_V4=192.0.2.10 PATELA_PREFIX_V4=24"

/** Both variables of a family, or none where neither is set. */
const poolOf = Effect.fnUntraced(function*<Address extends Ipv4 | Ipv6>(
  family: "V4" | "V6",
  make: (first: string, prefix: number) => Result.Result<Pool<Address>, PoolRefused>
) {
  const [firstName, prefixName] = [`PATELA_FIRST_${family}`, `PATELA_PREFIX_${family}`]
  const first = yield* text(firstName)
  const prefix = yield* text(prefixName)
  if (Option.isNone(first) && Option.isNone(prefix)) return undefined
  if (Option.isNone(first) || Option.isNone(prefix)) {
    const [set, unset] = Option.isSome(first) ? [firstName, prefixName] : [prefixName, firstName]
    return yield* new PoolSettingRefused({ message: `${set} is set and ${unset} is not: a pool needs both` })
  }
  const length = /^\d{1,3}$/.test(prefix.value) ? Number(prefix.value) : Number.NaN
  return yield* Effect.fromResult(make(first.value, length)).pipe(
    Effect.mapError(({ message }) => new PoolSettingRefused({ message: `${firstName} and ${prefixName}: ${message}` }))
  )
})

const memoryBound = Effect.gen(function*() {
  const bound = yield* text("PATELA_RELAY_MEMORY_BOUND")
  if (Option.isNone(bound)) return DEFAULT_MEMORY_BOUND
  if (/^[1-9]\d{0,15}$/.test(bound.value)) return Number(bound.value)
  return yield* new PoolSettingRefused({
    message: "PATELA_RELAY_MEMORY_BOUND is the memory that one relay needs as a whole number of bytes, " +
      "for example 1073741824"
  })
})

/** Where addresses come from, and how many bytes of memory one relay counts for. */
export class Pools extends Context.Service<Pools, {
  readonly v4: Pool<Ipv4>
  readonly v6: Pool<Ipv6> | undefined
  readonly memoryBound: number
}>()("@patela/server/allocate/Pools") {
  /** From PATELA_FIRST_V4/V6, PATELA_PREFIX_V4/V6 and PATELA_RELAY_MEMORY_BOUND. */
  static readonly layer = Layer.effect(
    Pools,
    Effect.gen(function*() {
      const v4 = yield* poolOf("V4", poolV4)
      if (v4 === undefined) {
        return yield* new PoolSettingRefused({
          message: `There is no pool to give relays IPv4 addresses from. Set it, ${EXAMPLE}`
        })
      }
      return Pools.of({ v4, v6: yield* poolOf("V6", poolV6), memoryBound: yield* memoryBound })
    })
  )
}
