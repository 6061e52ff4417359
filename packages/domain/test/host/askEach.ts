import { Effect } from "effect"
import { availableParallelism } from "node:os"

/** Asks tor of each case, as many at once as keep the processors busy; the answers in the cases' order. */
export const askEach = <A, B>(cases: ReadonlyArray<A>, ask: (one: A) => Promise<B>) =>
  Effect.forEach(cases, (one) => Effect.promise(() => ask(one)), { concurrency: 2 * availableParallelism() })
