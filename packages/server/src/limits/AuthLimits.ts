import { TooManyRequests } from "@patela/domain/api/Problems"
import { Clock, Context, Effect, Layer } from "effect"
import { numberSetting } from "./numberSetting.ts"
import { TokenBuckets } from "./TokenBuckets.ts"

/** Sources that are known at a time: some 10 MB. */
const MOST_KEYS = 50_000

const slowDown = (what: string, wait: number): TooManyRequests => {
  const retry_after = Math.max(1, Math.ceil(wait / 1000))
  return new TooManyRequests({ detail: `${what}. Ask again in ${retry_after} s`, retry_after })
}

/**
 * How often may be asked who is not authenticated, counted in this server's memory. What is for machines that were never
 * seen does not count for those that are known, so a flood of the former keeps no node out.
 */
export class AuthLimits extends Context.Service<AuthLimits, {
  /** A machine that was never seen, from a source. */
  readonly unknown: (source: string) => Effect.Effect<void, TooManyRequests>
  /**
   * A known node, from a source: each pair has its own bucket, so who knows a node's public keys and asks from elsewhere
   * takes nothing from that node.
   */
  readonly known: (source: string, node: number) => Effect.Effect<void, TooManyRequests>
}>()("@patela/server/limits/AuthLimits") {
  /** From PATELA_NEW_PER_SOURCE, PATELA_NEW_IN_ALL and PATELA_AUTH_PER_NODE, each a number of requests a minute. */
  static readonly layer = Layer.effect(
    AuthLimits,
    Effect.gen(function*() {
      const perSource = yield* numberSetting(
        "PATELA_NEW_PER_SOURCE",
        "how many new machines a source may have a minute",
        60
      )
      const inAll = yield* numberSetting("PATELA_NEW_IN_ALL", "how many new machines may come a minute", 300)
      const perNode = yield* numberSetting(
        "PATELA_AUTH_PER_NODE",
        "how often a node may ask for a challenge a minute",
        60
      )
      const sources = new TokenBuckets({ perMinute: perSource }, MOST_KEYS)
      const all = new TokenBuckets({ perMinute: inAll }, 1)
      const nodes = new TokenBuckets({ perMinute: perNode }, MOST_KEYS)

      const unknown = Effect.fn("AuthLimits.unknown")(function*(source: string) {
        const nowMillis = yield* Clock.currentTimeMillis
        const wait = Math.max(sources.wait(source, nowMillis), all.wait("", nowMillis))
        // Nothing is taken from either where one of them refuses.
        if (wait > 0) return yield* slowDown("Too many machines that were never seen asked", wait)
        sources.take(source, nowMillis)
        all.take("", nowMillis)
      })

      const known = Effect.fn("AuthLimits.known")(function*(source: string, node: number) {
        const nowMillis = yield* Clock.currentTimeMillis
        const key = `${node} ${source}`
        const wait = nodes.wait(key, nowMillis)
        if (wait > 0) return yield* slowDown(`Node ${node} asked too often from this address`, wait)
        nodes.take(key, nowMillis)
      })

      return AuthLimits.of({ unknown, known })
    })
  )
}
