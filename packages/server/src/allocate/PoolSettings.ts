import type { Ipv4 } from "@patela/domain/net/Ipv4"
import type { Ipv6 } from "@patela/domain/net/Ipv6"
import { Config, Context, Effect, Layer, Option, type Result, Schema } from "effect"
import { Audit } from "../audit/Audit.ts"
import { Generation } from "../generation/Generation.ts"
import { sqlAsStoreFailed } from "../store/StoreFailed.ts"
import { makeTurn } from "../store/Turn.ts"
import { type AnyPool, overlap, type Pool, type PoolBounds, type PoolRefused, poolV4, poolV6 } from "./AddressPool.ts"
import { Pools } from "./Pools.ts"
import { DEFAULT_MEMORY_BOUND } from "./relayCount.ts"

/** A PATELA_ variable of the allocation is missing or wrong. */
export class PoolSettingRefused extends Schema.TaggedError<PoolSettingRefused>()("PoolSettingRefused", {
  message: Schema.String
}) {}

const text = (name: string) =>
  Effect.map(Effect.orDie(Config.option(Config.String(name))), (value) => Option.filter(value, (some) => some !== ""))

/** Both variables of a family, or none where neither is set. */
const poolOf = Effect.fnUntraced(function*<Address extends Ipv4 | Ipv6>(
  family: "V4" | "V6",
  make: (first: string, prefix: number, bounds?: PoolBounds) => Result.Result<Pool<Address>, PoolRefused>
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

/** The pools that PATELA_FIRST_V4/V6 and PATELA_PREFIX_V4/V6 say. */
export const environmentPools = Effect.gen(function*() {
  return { v4: yield* poolOf("V4", poolV4), v6: yield* poolOf("V6", poolV6) }
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

/**
 * The pool of a family becomes what its variables say. Where they are not set any more it stays, as a pool like any other:
 * relays may have addresses of it, and who wants it away removes it.
 */
const record = Effect.fnUntraced(function*(family: "ipv4" | "ipv6", wanted: AnyPool | undefined) {
  const pools = yield* Pools
  const audit = yield* Audit
  const present = yield* pools.list
  const before = present.find(({ environment, pool }) => environment && pool.family === family)
  if (before?.pool.title === wanted?.title) return
  const noted = (after: string) =>
    audit.record({ who: "server", what: "pool of the environment", before: before?.pool.title ?? null, after })
  if (wanted === undefined) {
    if (before === undefined) return
    yield* pools.update(before.id, before.pool, false)
    return yield* noted(`${before.pool.title}, no longer of the environment`)
  }
  const others = present.filter(({ id }) => id !== before?.id)
  const same = others.find(({ pool }) => pool.title === wanted.title)
  const other = same ?? others.find(({ pool }) => overlap(pool, wanted))
  if (other !== undefined && same === undefined) {
    const variable = `PATELA_FIRST_${family === "ipv4" ? "V4" : "V6"}`
    return yield* new PoolSettingRefused({
      message: `${variable}: ${wanted.title} and pool ${other.id} (${other.pool.title}) have addresses in common. ` +
        `Take ${variable} out of the settings, or remove the pool: patela pool remove ${other.id}`
    })
  }
  // Somebody added just this one by hand.
  if (same !== undefined) return
  if (before === undefined) yield* pools.insert(wanted, true)
  else yield* pools.update(before.id, wanted, true)
  yield* noted(wanted.title)
})

/** How many bytes of memory one relay counts for. Building it puts the pools of the environment among the others. */
export class PoolSettings extends Context.Service<PoolSettings, { readonly memoryBound: number }>()(
  "@patela/server/allocate/PoolSettings"
) {
  /** From PATELA_FIRST_V4/V6, PATELA_PREFIX_V4/V6 and PATELA_RELAY_MEMORY_BOUND. */
  static readonly layer = Layer.effect(
    PoolSettings,
    Effect.gen(function*() {
      const { v4, v6 } = yield* environmentPools
      const bound = yield* memoryBound
      const generation = yield* Generation
      const turn = yield* makeTurn("allocation")
      yield* generation.change(Effect.gen(function*() {
        yield* turn.take
        yield* record("ipv4", v4)
        yield* record("ipv6", v6)
      })).pipe(sqlAsStoreFailed("note the pools of the environment"))
      return PoolSettings.of({ memoryBound: bound })
    })
  )
}
