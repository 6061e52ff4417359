import { Action, type ChangeView, Reason } from "@patela/domain/reconciler/Change"
import type { ResourceView } from "@patela/domain/reconciler/Kind"
import { Schema } from "effect"
import type { Blocked, Failure } from "../converge/Plan.ts"

const Failed = Schema.Struct({ address: Schema.String, scope: Schema.String, message: Schema.String })
const Waiting = Schema.Struct({ address: Schema.String, scope: Schema.String, by: Schema.String })
const Changed = Schema.Struct({
  kind: Schema.String,
  address: Schema.String,
  scope: Schema.String,
  action: Action,
  reason: Reason,
  lines: Schema.Array(Schema.String)
})

/**
 * What `diff --json` prints. `version` changes when a reader of the old form would misread the new one.
 * `in_sync` is the number of resources that are as configured.
 */
export const PlanDocument = Schema.Struct({
  version: Schema.Literal(1),
  command: Schema.Literal("diff"),
  changes: Schema.Array(Changed),
  blocked: Schema.Array(Waiting),
  failures: Schema.Array(Failed),
  in_sync: Schema.Int
})
export type PlanDocument = typeof PlanDocument.Type

/** What a presenter takes of a plan. */
export interface PlanView {
  readonly resources: ReadonlyArray<ResourceView>
  readonly changes: ReadonlyArray<ChangeView>
  readonly blocked: ReadonlyArray<Blocked>
  readonly failures: ReadonlyArray<Failure>
}

/** Resources of the plan that are as configured. Pure. */
export const inSyncOf = (plan: PlanView): ReadonlyArray<ResourceView> => {
  const unsettled = new Set([...plan.changes, ...plan.failures].map(({ address }) => address))
  return plan.resources.filter(({ address }) => !unsettled.has(address))
}

export const planDocument = (plan: PlanView): PlanDocument => ({
  version: 1,
  command: "diff",
  changes: plan.changes.map(({ action, address, kind, lines, reason, scope }) => ({
    kind,
    address,
    scope,
    action,
    reason,
    lines
  })),
  blocked: plan.blocked,
  failures: plan.failures,
  in_sync: inSyncOf(plan).length
})
