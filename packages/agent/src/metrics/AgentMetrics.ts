import { Effect, Metric } from "effect"

/** What becomes of a resource of a pass. */
export type ReconcileResult = "changed" | "failed" | "blocked" | "held"

export const passSeconds = Metric.histogram("patela_agent_pass_duration_seconds", {
  description: "How long a pass took, from its first look to its last.",
  boundaries: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300]
})

const reconcileTotal = Metric.counter("patela_agent_reconcile_total", {
  description: "Resources that were changed, or could not be, by kind.",
  incremental: true
})

const passTotal = Metric.counter("patela_agent_pass_total", {
  description: "Passes, by what was looked at.",
  incremental: true
})

const driftTotal = Metric.counter("patela_agent_drift_total", {
  description: "Resources that had left what is desired with no new configuration, and were corrected, by kind.",
  incremental: true
})

const relayState = Metric.gauge("patela_agent_relay_state", {
  description: "1 where the relay is as configured, 0 where it is not."
})

export const contendedResources = Metric.gauge("patela_agent_contended", {
  description: "Resources that something else keeps changing."
})

export const generationDesired = Metric.gauge("patela_agent_generation_desired", {
  description: "Generation of the configuration that the server says."
})

export const generationApplied = Metric.gauge("patela_agent_generation_applied", {
  description: "Generation of the configuration that the node was last brought to."
})

export const rolledBackTotal = Metric.counter("patela_agent_rollbacks_total", {
  description: "Network changes that cut the node off from its server and were taken back.",
  incremental: true
})

const overflows = Metric.counter("patela_agent_watch_overflows_total", {
  description: "Times that events of a kind were lost, so that everything was looked at.",
  incremental: true
})

export const watchOverflows = (kind: string) => Metric.withAttributes(overflows, { kind })
export const passes = (scope: "full" | "some kinds") => Metric.withAttributes(passTotal, { scope })
export const reconciled = (kind: string, result: ReconcileResult) =>
  Metric.withAttributes(reconcileTotal, { kind, result })
export const drifted = (kind: string) => Metric.withAttributes(driftTotal, { kind })
export const relayAsConfigured = (relay: string) => Metric.withAttributes(relayState, { relay })

/** Makes the series that have no label be there with 0 before anything happened, as Prometheus likes it. */
export const startAtZero: Effect.Effect<void> = Effect.all([
  Metric.update(rolledBackTotal, 0),
  Metric.update(contendedResources, 0)
], { discard: true })
