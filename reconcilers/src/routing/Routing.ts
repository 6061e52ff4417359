import { make } from "@patela/domain/reconciler/Kind"
import { done, failed, type Outcome } from "@patela/domain/reconciler/Outcome"
import type { ResourceAddress } from "@patela/domain/reconciler/Resource"
import { Effect } from "effect"
import type { HostMonitor } from "../host/HostMonitor.ts"
import { checkpointRoutes } from "./checkpointRoutes.ts"
import { desiredRoutes } from "./DesiredRoute.ts"
import { diffRoutes, observedRoutes, type RouteChange } from "./diffRoutes.ts"
import type { RouteEntry } from "./RouteEntry.ts"
import { RouteReader } from "./RouteReader.ts"
import { type RouteStep, RouteWriter } from "./RouteWriter.ts"
import { watchRoutes } from "./watchRoutes.ts"

/** Table 8020 and the rules that send relay traffic to it. The main table is neither read nor written. */
export const Routing = make<RouteEntry, RouteEntry, HostMonitor | RouteReader, RouteWriter>({
  kind: "routing",
  desired: desiredRoutes,
  observe: (desired) =>
    RouteReader.use((reader) => reader.entries).pipe(Effect.map((entries) => observedRoutes(desired, entries))),
  diff: diffRoutes,
  apply: Effect.fn("Routing.apply")(function*(changes: ReadonlyArray<RouteChange>) {
    const writer = yield* RouteWriter
    const steps = inOrder(changes)
    const reasons = yield* writer.perform(steps.map(({ step }) => step))
    const outcomes = new Map<ResourceAddress, Outcome>(changes.map(({ address }) => [address, done]))
    for (const [index, { address, step }] of steps.entries()) {
      const reason = reasons[index]
      if (reason === undefined) continue
      const { family, line, what } = step.entry
      const verb = step.step === "add" ? "added" : "removed"
      outcomes.set(address, failed(`the ${family} ${what} "${line}" could not be ${verb}: ${reason}`))
    }
    return outcomes
  }),
  watch: watchRoutes,
  checkpoint: checkpointRoutes
})

interface Step {
  readonly address: ResourceAddress
  readonly step: RouteStep
}

/**
 * The refusing route first, so that the table always refuses before a rule leads to it or a route of it goes; then
 * what goes, and then the rest.
 */
const inOrder = (changes: ReadonlyArray<RouteChange>): ReadonlyArray<Step> => {
  const all = changes.flatMap(stepsOf)
  const rank = ({ step: { entry, step } }: Step) =>
    step === "add" && entry.role === "unreachable" ? 0 : step === "remove" ? 1 : entry.what === "route" ? 2 : 3
  return all.toSorted((one, other) => rank(one) - rank(other))
}

const stepsOf = (change: RouteChange): ReadonlyArray<Step> => {
  const { address } = change
  if (change.action === "remove") return [{ address, step: { step: "remove", entry: change.observed } }]
  const add: Step = { address, step: { step: "add", entry: change.desired } }
  if (change.action === "create") return [add]
  return [{ address, step: { step: "remove", entry: change.observed } }, add]
}
