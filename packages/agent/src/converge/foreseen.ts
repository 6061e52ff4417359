import type { ChangeView } from "@patela/domain/reconciler/Change"
import { blockedBy, type KindOutlook, type Plan } from "./Plan.ts"

/**
 * Changes that do not show yet and will, once others are made: a running relay is reloaded or restarted when its torrc
 * is another. Only a new configuration is followed, for a file that is put back is what its relay has loaded. For people
 * who read a plan; a pass sees these changes when they are there. Pure.
 */
export const foreseenIn = <Write>(outlooks: ReadonlyArray<KindOutlook<Write>>): ReadonlyArray<ChangeView> => {
  const plans = outlooks.flatMap((each) => each.known ? [each.plan] : [])
  const changes = plans.flatMap((plan) => plan.changes)
  const shown = new Set(changes.map(({ address }) => address))
  const news = new Set(
    changes.filter(({ action, reason }) => action === "update" && reason === "config changed").map(({ address }) =>
      address
    )
  )
  return plans.flatMap(({ kind, refused, resources }) =>
    resources.flatMap(({ address, follows = [], scope }): ReadonlyArray<ChangeView> => {
      const followed = follows.filter((each) => news.has(each.address))
      const settled = shown.has(address) || refused.some((each) => each.address === address)
      if (followed.length === 0 || settled) return []
      const lines = followed.map(({ line }) => line)
      const needs = followed.map((each) => each.address)
      return [{ kind, address, scope, action: "update", reason: "dependency changed", needs, lines }]
    })
  )
}

/** The plan with what it foresees. Pure. */
export const withForeseen = <Write>(plan: Plan<Write>): Plan<Write> => {
  const changes = [...plan.changes, ...foreseenIn(plan.outlooks)]
  return { ...plan, changes, blocked: blockedBy(changes, plan.failures) }
}
