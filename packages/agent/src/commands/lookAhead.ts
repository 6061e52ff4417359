import { AddressReader } from "@patela/reconcilers/addresses/AddressReader"
import { RouteReader } from "@patela/reconcilers/routing/RouteReader"
import { SourceNatReader } from "@patela/reconcilers/source-nat/SourceNatReader"
import { SystemdReader } from "@patela/reconcilers/units/SystemdReader"
import { Effect } from "effect"

/**
 * Looks at what takes programs and other processes to see, for which no configuration is needed: done while the server is
 * waited for, the look that counts finds programs that run, a bus that is connected and texts that are decoded. What cannot
 * be read is said by that look.
 */
export const lookAhead = Effect.gen(function*() {
  const looks: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
    (yield* SourceNatReader).table,
    (yield* AddressReader).links,
    (yield* RouteReader).entries,
    (yield* SystemdReader).list
  ]
  yield* Effect.forEach(looks, (look) => Effect.ignore(look), { concurrency: "unbounded", discard: true })
}).pipe(Effect.withSpan("lookAhead"))
