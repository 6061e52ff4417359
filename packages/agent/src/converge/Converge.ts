import type { ChangeView } from "@patela/domain/reconciler/Change"
import type { DesiredInput, Kind, KindPlan } from "@patela/domain/reconciler/Kind"
import type { ResourceAddress } from "@patela/domain/reconciler/Resource"
import { Effect } from "effect"
import { type Blocked, type Failure, failuresOf, outlook, type Plan, plan } from "./Plan.ts"

/** What a pass did and what is left. `changes` were made and then seen in place; `remaining` is the last look. */
export interface Convergence {
  readonly changes: ReadonlyArray<ChangeView>
  readonly failures: ReadonlyArray<Failure>
  readonly blocked: ReadonlyArray<Blocked>
  readonly remaining: ReadonlyArray<ChangeView>
}

interface Progress {
  readonly made: Array<ChangeView>
  readonly failures: Map<ResourceAddress, Failure>
  readonly blocked: Map<ResourceAddress, Blocked>
}

/**
 * The engine: look, remove in the reverse of the kinds' order, create and update in their order, look again.
 *
 * Every kind is looked at again after it changed something, and what is not seen in place counts as failed, so a unit
 * never starts on the word of a writer. A failure blocks only what needs it. A batch is never interrupted half-way.
 */
export const converge = Effect.fn("Converge.converge")(
  function*<Read, Write>(kinds: ReadonlyArray<Kind<Read, Write>>, input: DesiredInput) {
    const first = yield* plan(kinds, input)
    if (first.changes.length === 0) return unchanged(first)

    const progress: Progress = { made: [], failures: new Map(), blocked: new Map() }
    const admitRemovals = input.config.relays.length > 0
    for (const each of admitRemovals ? first.outlooks.toReversed() : []) {
      if (each.known) yield* remove(each.plan, progress)
    }
    for (const [index, kind] of kinds.entries()) {
      const before = progress.made.length === 0 ? first.outlooks[index] : yield* outlook(kind, input)
      if (before === undefined) continue
      for (const failure of failuresOf(before)) progress.failures.set(failure.address, failure)
      if (before.known) yield* advance(kind, before.plan, input, progress)
    }
    const last = progress.made.length === 0 ? first : yield* plan(kinds, input)
    for (const failure of last.failures) progress.failures.set(failure.address, failure)
    return {
      changes: progress.made,
      failures: [...progress.failures.values()],
      blocked: [...progress.blocked.values()],
      remaining: last.changes
    } satisfies Convergence
  }
)

const unchanged = <Write>(look: Plan<Write>): Convergence => ({
  changes: [],
  failures: look.failures,
  blocked: look.blocked,
  remaining: []
})

/** Takes away what is not wanted. Where one removal of a relay failed, the rest of that relay stays as it is. */
const remove = Effect.fnUntraced(function*<Write>(kindPlan: KindPlan<Write>, progress: Progress) {
  const stuck = new Map([...progress.failures.values()].map(({ address, scope }) => [scope, address]))
  const admitted = kindPlan.changes.filter(({ action, scope }) => {
    return action === "remove" && (scope === "node" || !stuck.has(scope))
  })
  for (const { action, address, scope } of kindPlan.changes) {
    const by = stuck.get(scope)
    if (action === "remove" && scope !== "node" && by !== undefined) {
      progress.blocked.set(address, { address, scope, by })
    }
  }
  yield* carryOut(kindPlan, admitted, progress)
})

/** Creates and updates what this kind can, then looks whether it is so. */
const advance = Effect.fnUntraced(function*<Read, Write>(
  kind: Kind<Read, Write>,
  kindPlan: KindPlan<Write>,
  input: DesiredInput,
  progress: Progress
) {
  const admitted: Array<ChangeView> = []
  for (const change of kindPlan.changes) {
    if (change.action === "remove") continue
    const by = change.needs.find((need) => progress.failures.has(need) || progress.blocked.has(need))
    if (by === undefined) admitted.push(change)
    else progress.blocked.set(change.address, { address: change.address, scope: change.scope, by })
  }
  if (admitted.length === 0) return
  yield* carryOut(kindPlan, admitted, progress)
  const after = yield* outlook(kind, input)
  for (const failure of failuresOf(after)) progress.failures.set(failure.address, failure)
  const tried = new Set(admitted.map(({ address }) => address))
  for (const { action, address, lines, scope } of after.known ? after.plan.changes : []) {
    if (action === "remove" || !tried.has(address) || progress.failures.has(address)) continue
    const still = lines.length === 0 ? "" : `: ${lines.join("; ")}`
    progress.failures.set(address, { address, scope, message: `was applied but is not in place${still}` })
  }
})

const carryOut = Effect.fnUntraced(function*<Write>(
  kindPlan: KindPlan<Write>,
  admitted: ReadonlyArray<ChangeView>,
  progress: Progress
) {
  if (admitted.length === 0) return
  const chosen = new Set(admitted)
  const outcomes = yield* Effect.uninterruptible(kindPlan.apply((change) => chosen.has(change)))
  for (const change of admitted) {
    const outcome = outcomes.get(change.address)
    if (outcome?.done === true) {
      progress.made.push(change)
      continue
    }
    const message = outcome === undefined
      ? `${kindPlan.kind} said nothing of it: a defect, please report`
      : outcome.message
    progress.failures.set(change.address, { address: change.address, scope: change.scope, message })
  }
})
