import type { ChangeView } from "@patela/domain/reconciler/Change"
import { relayScope, type ResourceAddress, type Scope } from "@patela/domain/reconciler/Resource"
import { type Cause, causesOf, inOrder, inSyncOf, type PlanView, refusedOf, unreadableOf } from "./PlanView.ts"

/** A change, with what keeps it from being made. */
export interface BlockChange {
  readonly change: ChangeView
  readonly cause: Cause | undefined
  /** A guard keeps it back; why, is among the troubles. */
  readonly held: boolean
}

/** Something that cannot be had, and all the resources that say so in the same words. */
export interface Trouble {
  readonly addresses: ReadonlyArray<ResourceAddress>
  readonly message: string
}

/** All that there is to say of the node or of one relay. */
export interface ScopeBlock {
  readonly scope: Scope
  /** `new`: all of it is to be made. `leaves`: the configuration does not have it any more. */
  readonly state: "new" | "leaves" | "changes"
  readonly troubles: ReadonlyArray<Trouble>
  /** In the order in which they would be made. */
  readonly changes: ReadonlyArray<BlockChange>
  /** Resources of kinds that could not be read; the message is said once, elsewhere. */
  readonly unread: ReadonlySet<ResourceAddress>
}

/** The node, the relays in the order of the configuration, those that leave; without those of which nothing is said. */
export const scopeBlocks = (plan: PlanView): ReadonlyArray<ScopeBlock> => {
  const causes = causesOf(plan)
  const held = new Map((plan.held ?? []).map(({ address, why }) => [address, why]))
  const unread = new Set(unreadableOf(plan).flatMap(({ resources }) => resources))
  const refused = refusedOf(plan)
  const settled = new Set(inSyncOf(plan).map(({ scope }) => scope))
  const wanted: ReadonlyArray<Scope> = ["node", ...plan.config.relays.map(({ name }) => relayScope(name))]
  const ordered = inOrder(plan.changes)
  const scopes = new Set<Scope>([...wanted, ...[...ordered, ...refused].map(({ scope }) => scope)])

  const stateOf = (scope: Scope, changes: ReadonlyArray<ChangeView>): ScopeBlock["state"] => {
    if (!wanted.includes(scope)) return "leaves"
    const whole = changes.length > 1 && changes.every(({ action }) => action === "create") && !settled.has(scope)
    return whole && scope !== "node" ? "new" : "changes"
  }

  return [...scopes].flatMap((scope) => {
    const changes = ordered.filter((change) => change.scope === scope)
    const own = refused.filter((failure) => failure.scope === scope)
    if (changes.length === 0 && own.length === 0) return []
    const said = new Set(own.map(({ address }) => address))
    const elsewhere = changes.flatMap(({ address }) => {
      const cause = causes.get(address)
      return cause === undefined || unread.has(cause.root) || said.has(cause.root)
        ? []
        : [{ address: cause.root, message: cause.message }]
    })
    const kept = changes.flatMap(({ address }) => {
      const why = held.get(address)
      return why === undefined ? [] : [{ address, message: `held back: ${why}` }]
    })
    return [{
      scope,
      state: stateOf(scope, changes),
      troubles: troublesOf([...own, ...elsewhere, ...kept]),
      changes: changes.map((change) => ({
        change,
        cause: causes.get(change.address),
        held: held.has(change.address)
      })),
      unread
    }]
  })
}

const troublesOf = (
  failures: ReadonlyArray<{ readonly address: ResourceAddress; readonly message: string }>
): ReadonlyArray<Trouble> =>
  [...Map.groupBy(failures, ({ message }) => message)].map(([message, same]) => ({
    message,
    addresses: [...new Set(same.map(({ address }) => address))]
  }))
