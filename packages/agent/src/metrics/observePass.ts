import type { NodeConfig } from "@patela/domain/node/NodeConfig"
import { Effect, Metric } from "effect"
import { type Trouble, troubleOf } from "../converge/Trouble.ts"
import type { PassResult } from "../pass/Pass.ts"
import {
  contendedResources,
  drifted,
  generationApplied,
  passes,
  passSeconds,
  reconciled,
  relayAsConfigured,
  rolledBackTotal
} from "./AgentMetrics.ts"

/** What is counted of a pass. */
export interface PassSeen {
  readonly result: PassResult
  readonly config: NodeConfig
  readonly troubles: ReadonlyArray<Trouble>
  readonly contended: number
  readonly seconds: number
}

/** Counts a pass. */
export const observePass = Effect.fnUntraced(function*({ config, contended, result, seconds, troubles }: PassSeen) {
  yield* Metric.update(passSeconds, seconds)
  yield* Metric.update(passes(result.full ? "full" : "some kinds"), 1)
  const { blocked, changes, failures, held } = result.convergence
  for (const { kind, reason } of changes) {
    yield* Metric.update(reconciled(kind, "changed"), 1)
    if (reason === "drift") yield* Metric.update(drifted(kind), 1)
  }
  for (const { kind } of failures) yield* Metric.update(reconciled(kind, "failed"), 1)
  for (const { kind } of blocked) yield* Metric.update(reconciled(kind, "blocked"), 1)
  for (const { kind } of held) yield* Metric.update(reconciled(kind, "held"), 1)
  if (result.rolledBack !== undefined) yield* Metric.update(rolledBackTotal, 1)
  yield* Metric.update(contendedResources, contended)
  for (const { name } of config.relays) {
    yield* Metric.update(relayAsConfigured(name), troubleOf(troubles, name) === undefined ? 1 : 0)
  }
  if (result.full && result.rolledBack === undefined) yield* Metric.update(generationApplied, config.generation)
})
