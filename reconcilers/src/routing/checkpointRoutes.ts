import { done, failed, type Outcome } from "@patela/domain/reconciler/Outcome"
import { Effect } from "effect"
import type { RouteEntry } from "./RouteEntry.ts"
import { RouteReader } from "./RouteReader.ts"
import { type RouteStep, RouteWriter } from "./RouteWriter.ts"

/** A route may stand in another's way, as one of the same destination and metric does: then the second round has room. */
const ROUNDS = 2

/**
 * Remembers all of table 8020 and every rule that looks it up, and gives the effect that puts just these back. Both are
 * Patela's alone, so whatever else is there then goes.
 */
export const checkpointRoutes = Effect.fn("Routing.checkpoint")(function*() {
  const reader = yield* RouteReader
  const before = yield* reader.texts
  return Effect.gen(function*() {
    const writer = yield* RouteWriter
    const complaints = new Set<string>()
    let steps = stepsBack(before, yield* reader.texts)
    for (let round = 0; round < ROUNDS && steps.length > 0; round++) {
      for (const reason of yield* writer.perform(steps)) if (reason !== undefined) complaints.add(reason)
      steps = stepsBack(before, yield* reader.texts)
    }
    if (steps.length === 0) return done
    const left = steps.map(({ entry: { family, line, what }, step }) =>
      `the ${family} ${what} "${line}" is ${step === "add" ? "missing" : "too many"}`
    )
    return failed(`the relay table is not as it was: ${[...left, ...complaints].join("; ")}`)
  }).pipe(
    Effect.catch(({ message }): Effect.Effect<Outcome> =>
      Effect.succeed(failed(`the relay table may not be as it was: ${message}`))
    ),
    Effect.withSpan("Routing.restore")
  )
})

/** As when it is applied: what refuses comes first, rules lead nowhere that refuses nothing, and come back last. */
const stepsBack = (before: ReadonlyArray<RouteEntry>, now: ReadonlyArray<RouteEntry>): ReadonlyArray<RouteStep> => {
  const missing = without(before, now).map((entry): RouteStep => ({ step: "add", entry, exact: true }))
  const extra = without(now, before).map((entry): RouteStep => ({ step: "remove", entry, exact: true }))
  const rank = ({ entry, step }: RouteStep) => {
    if (step === "add") return entry.role === "unreachable" ? 0 : entry.what === "route" ? 3 : 4
    return entry.what === "rule" ? 1 : 2
  }
  return [...missing, ...extra].toSorted((one, other) => rank(one) - rank(other))
}

const without = (entries: ReadonlyArray<RouteEntry>, others: ReadonlyArray<RouteEntry>) => {
  const known = new Set(others.map(keyOf))
  return entries.filter((entry) => !known.has(keyOf(entry)))
}

const keyOf = ({ family, line, what }: RouteEntry): string => `${family} ${what} ${line}`
