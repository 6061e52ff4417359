import { Effect } from "effect"

/** Milliseconds in which a change is told on the busiest machine; nothing looks again by itself meanwhile. */
export const SOON = 10_000

/** Waits, and is done early where `what` is so; whether it was. */
export const until = Effect.fnUntraced(function*(what: () => boolean, milliseconds: number) {
  for (let waited = 0; waited < milliseconds && !what(); waited += 5) yield* Effect.sleep(5)
  return what()
})
