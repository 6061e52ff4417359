import { NodeConfig } from "@patela/domain/node/NodeConfig"
import { Action, Reason } from "@patela/domain/reconciler/Change"
import { Effect, Schema } from "effect"
import {
  causesOf,
  inOrder,
  inSyncOf,
  isComplete,
  type PlanView,
  refusedOf,
  totalsOf,
  unreadableOf
} from "./PlanView.ts"
import { printableJson } from "./printable.ts"

const described = <S extends Schema.Top>(schema: S, description: string) => schema.annotate({ description })

const Address = described(Schema.String, "The resource, such as relay/toma/torrc or node/resolver")
const Scope = described(Schema.String, "node, or relay/NAME")
const Message = described(Schema.String, "What happened and what to do, for a person; no secret")
const Count = Schema.Int.pipe(Schema.check(Schema.isGreaterThanOrEqualTo(0)))

const Source = Schema.Union([
  Schema.Struct({ from: Schema.Literal("server"), url: Schema.String }),
  Schema.Struct({ from: Schema.Literal("file"), path: described(Schema.String, "- is standard input") })
])

const Changed = Schema.Struct({
  kind: described(Schema.String, "What looks after the resource, such as torrc or units"),
  address: Address,
  scope: Scope,
  action: Action,
  reason: described(Reason, "drift is a difference that no new configuration explains"),
  needs: described(Schema.Array(Address), "What must be so first"),
  lines: described(
    Schema.Array(Schema.String),
    "The difference, for a person; secrets are (sensitive, changed). Of a torrc the first 200 lines that differ"
  )
})

const Waiting = Schema.Struct({
  address: Address,
  scope: Scope,
  by: described(Schema.String, "The resource that it waits for"),
  root: described(Schema.String, "The resource that this comes down to"),
  message: described(Schema.String, "Why that one cannot be had")
})

const HeldBack = Schema.Struct({ address: Address, scope: Scope, why: Schema.String })
const Failed = Schema.Struct({ address: Address, scope: Scope, message: Message })
const Unread = Schema.Struct({
  kind: Schema.String,
  message: Message,
  resources: Schema.Array(Address)
})

/**
 * What `diff --json` prints. `version` changes when a reader of the old form would misread the new one; new fields may
 * come without that. No relay and no change is left out of it, and nothing in it is a secret.
 */
export const PlanDocument = Schema.Struct({
  version: Schema.Literal(1),
  command: Schema.Literal("diff"),
  source: described(Source, "Where the configuration came from"),
  generation: described(NodeConfig.fields.generation, "The configuration's number on its server"),
  complete: described(Schema.Boolean, "Everything could be read, and everything configured can be had"),
  changes: described(Schema.Array(Changed), "In the order in which they would be made"),
  blocked: described(Schema.Array(Waiting), "Changes that cannot be made, for they need what cannot be had"),
  held: described(Schema.Array(HeldBack), "Changes that a guard keeps back until a person says the word"),
  failures: described(Schema.Array(Failed), "What cannot be had as configured"),
  unreadable: described(Schema.Array(Unread), "Kinds of which the host could not be read"),
  in_sync: described(Schema.Array(Address), "What is as configured"),
  totals: Schema.Struct({
    create: Count,
    update: Count,
    remove: Count,
    blocked: described(Count, "Of the changes above"),
    held: described(Count, "Of the changes above"),
    refused: described(Count, "Failures"),
    unreadable: described(Count, "Resources of kinds that could not be read"),
    in_sync: Count
  })
}).annotate({ title: "patela-agent diff --json", description: "What reconcile would change on this host" })
export type PlanDocument = typeof PlanDocument.Type

export const planDocument = (plan: PlanView): PlanDocument => {
  const causes = causesOf(plan)
  return {
    version: 1,
    command: "diff",
    source: plan.source,
    generation: plan.config.generation,
    complete: isComplete(plan),
    changes: inOrder(plan.changes).map(({ action, address, kind, lines, needs, reason, scope }) => ({
      kind,
      address,
      scope,
      action,
      reason,
      needs,
      lines
    })),
    blocked: plan.blocked.flatMap(({ address, scope }) => {
      const cause = causes.get(address)
      return cause === undefined ? [] : [{ address, scope, ...cause }]
    }),
    held: (plan.held ?? []).map(({ address, scope, why }) => ({ address, scope, why })),
    failures: refusedOf(plan).map(({ address, message, scope }) => ({ address, scope, message })),
    unreadable: unreadableOf(plan).map(({ kind, message, resources }) => ({ kind, message, resources })),
    in_sync: inSyncOf(plan).map(({ address }) => address),
    totals: totalsOf(plan)
  }
}

const encode = Schema.encodeEffect(Schema.fromJsonString(PlanDocument))

/** The document as one line of JSON, safe to print. */
export const planJson = (plan: PlanView) => encode(planDocument(plan)).pipe(Effect.map(printableJson))
