import { Effect } from "effect"

/** How long something took to become true, in milliseconds of real time; looked at every 10 ms, given up after `limit`. */
export const eventually = (what: string, holds: () => boolean, limit: number): Effect.Effect<number> =>
  Effect.promise(async () => {
    const start = performance.now()
    while (!holds()) {
      if (performance.now() - start > limit) throw new Error(`${what}: not within ${limit} ms`)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    return performance.now() - start
  })
