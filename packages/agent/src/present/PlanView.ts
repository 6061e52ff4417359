import type { NodeConfig } from "@patela/domain/node/NodeConfig"
import type { Action, ChangeView } from "@patela/domain/reconciler/Change"
import type { ResourceView } from "@patela/domain/reconciler/Kind"
import type { ResourceAddress, Scope } from "@patela/domain/reconciler/Resource"
import type { Held as HeldChange } from "../converge/Hold.ts"
import type { Blocked, Failure } from "../converge/Plan.ts"

/** Where a configuration came from: a server's address, or the path of a file (`-` is standard input). */
export type PlanSource =
  | { readonly from: "server"; readonly url: string }
  | { readonly from: "file"; readonly path: string }

/** A change that could be made and is not: a guard keeps it back until a person says the word. */
export type Held = Omit<HeldChange, "kind">

/** A look at one kind, as far as a presenter asks: whether the host could be read. */
export type Look =
  | { readonly known: true }
  | { readonly known: false; readonly kind: string; readonly failures: ReadonlyArray<Failure> }

/** What a presenter takes of a plan. A `Plan` of the engine has all but the first two and the last. */
export interface PlanView {
  readonly config: NodeConfig
  readonly source: PlanSource
  /** In the order of the kinds. */
  readonly outlooks: ReadonlyArray<Look>
  readonly resources: ReadonlyArray<ResourceView>
  readonly changes: ReadonlyArray<ChangeView>
  readonly blocked: ReadonlyArray<Blocked>
  readonly failures: ReadonlyArray<Failure>
  /** Nothing is held back unless told. */
  readonly held?: ReadonlyArray<Held>
}

/** A kind that the host did not show, with everything of it that the configuration asks for. */
export interface Unreadable {
  readonly kind: string
  readonly message: string
  readonly resources: ReadonlyArray<ResourceAddress>
  readonly scopes: ReadonlyArray<Scope>
}

/** Why a change cannot be made: what it waits for, and what that in turn comes down to. */
export interface Cause {
  readonly by: ResourceAddress
  /** The resource at the end of the chain; it is not blocked itself. */
  readonly root: ResourceAddress
  readonly message: string
}

export interface Totals {
  readonly create: number
  readonly update: number
  readonly remove: number
  readonly blocked: number
  readonly held: number
  readonly refused: number
  readonly unreadable: number
  readonly in_sync: number
}

/** Each kind that could not be read, once. */
export const unreadableOf = (plan: PlanView): ReadonlyArray<Unreadable> =>
  plan.outlooks.flatMap((look) =>
    look.known ? [] : [{
      kind: look.kind,
      message: look.failures[0]?.message ?? "it could not be read",
      resources: look.failures.map(({ address }) => address),
      scopes: [...new Set(look.failures.map(({ scope }) => scope))]
    }]
  )

/** What cannot be had as configured, besides what could not be read. */
export const refusedOf = (plan: PlanView): ReadonlyArray<Failure> => {
  const unread = new Set(unreadableOf(plan).flatMap(({ resources }) => resources))
  return plan.failures.filter(({ address }) => !unread.has(address))
}

/** Resources of the plan that are as configured; parts of others are not counted by themselves. */
export const inSyncOf = (plan: PlanView): ReadonlyArray<ResourceView> => {
  const unsettled = new Set([...plan.changes, ...plan.failures].map(({ address }) => address))
  return plan.resources.filter(({ address, partOf }) => partOf === undefined && !unsettled.has(address))
}

/** The cause of each blocked change. */
export const causesOf = (plan: PlanView): ReadonlyMap<ResourceAddress, Cause> => {
  const waits = new Map(plan.blocked.map(({ address, by }) => [address, by]))
  const messages = new Map(plan.failures.map(({ address, message }) => [address, message]))
  return new Map(plan.blocked.map(({ address, by }) => {
    const seen = new Set([address])
    let root = by
    for (let next = waits.get(root); next !== undefined && !seen.has(root); next = waits.get(root)) {
      seen.add(root)
      root = next
    }
    return [address, { by, root, message: messages.get(root) ?? "it is not as configured" }]
  }))
}

/** Whether everything could be read and everything configured can be had: else the plan does not tell the whole. */
export const isComplete = (plan: PlanView): boolean => plan.failures.length === 0

export const totalsOf = (plan: PlanView): Totals => {
  const of = (action: Action) => plan.changes.filter((change) => change.action === action).length
  const refused = refusedOf(plan).length
  return {
    create: of("create"),
    update: of("update"),
    remove: of("remove"),
    blocked: plan.blocked.length,
    held: plan.held?.length ?? 0,
    refused,
    unreadable: plan.failures.length - refused,
    in_sync: inSyncOf(plan).length
  }
}

/** Changes in the order in which they would be made: removals against the order of the kinds, then the rest along it. */
export const inOrder = (changes: ReadonlyArray<ChangeView>): ReadonlyArray<ChangeView> => {
  const kinds = Map.groupBy(changes.filter(({ action }) => action === "remove"), ({ kind }) => kind)
  return [...[...kinds.values()].toReversed().flat(), ...changes.filter(({ action }) => action !== "remove")]
}
