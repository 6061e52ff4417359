import type { Action } from "@patela/domain/reconciler/Change"
import type { Scope } from "@patela/domain/reconciler/Resource"
import { inSyncOf, type PlanView } from "./PlanDocument.ts"
import type { Style } from "./Style.ts"

const SIGN: Readonly<Record<Action, string>> = { create: "+", update: "~", remove: "-" }

/**
 * A plan for a person: grouped by relay, relays in sync only counted, a sign and a reason a change, and totals last.
 */
export const planText = (plan: PlanView, style: Style): string => {
  const scopes = [...new Set([...plan.changes, ...plan.failures, ...plan.blocked].map(({ scope }) => scope))].sort()
  const groups = scopes.map((scope) => groupText(plan, scope, style))
  const settled = new Set(plan.resources.map(({ scope }) => scope).filter((scope) => !scopes.includes(scope)))
  settled.delete("node")
  const quiet = settled.size === 0 ? [] : [style.faint(`${count(settled.size, "relay")} in sync`)]
  return [...groups, ...quiet, totals(plan, style)].join("\n")
}

const groupText = (plan: PlanView, scope: Scope, style: Style): string => {
  const name = (address: string) => address.startsWith(`${scope}/`) ? address.slice(scope.length + 1) : address
  const paint: Readonly<Record<Action, (text: string) => string>> = {
    create: style.good,
    update: style.warm,
    remove: style.bad
  }
  const waits = new Map(plan.blocked.map(({ address, by }) => [address, by]))
  const changes = plan.changes.filter((change) => change.scope === scope).flatMap((change) => {
    const by = waits.get(change.address)
    const blocked = by === undefined ? "" : style.bad(`  blocked: waits for ${by}`)
    return [
      `  ${paint[change.action](`${SIGN[change.action]} ${name(change.address)}`)}  ${
        style.faint(change.reason)
      }${blocked}`,
      ...change.lines.map((line) => `      ${line}`)
    ]
  })
  const failures = plan.failures.filter((failure) => failure.scope === scope).map(({ address, message }) =>
    `  ${style.bad(`! ${name(address)}`)}  ${message}`
  )
  return [style.strong(scope), ...changes, ...failures].join("\n")
}

const totals = (plan: PlanView, style: Style): string => {
  const of = (action: Action) => plan.changes.filter((change) => change.action === action).length
  if (plan.changes.length === 0 && plan.failures.length === 0) {
    return style.good(`In sync: ${count(plan.resources.length, "resource")} as configured.`)
  }
  const parts = [`${of("create")} to create`, `${of("update")} to update`, `${of("remove")} to remove`]
  if (plan.blocked.length > 0) parts.push(`${plan.blocked.length} blocked`)
  if (plan.failures.length > 0) parts.push(`${plan.failures.length} failed`)
  return `Plan: ${parts.join(", ")}; ${inSyncOf(plan).length} in sync.`
}

const count = (number: number, thing: string): string => `${number} ${thing}${number === 1 ? "" : "s"}`
