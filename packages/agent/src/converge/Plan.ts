import type { ChangeView } from "@patela/domain/reconciler/Change"
import type { DesiredInput, Kind, KindPlan, ResourceView } from "@patela/domain/reconciler/Kind"
import type { ResourceAddress, Scope } from "@patela/domain/reconciler/Resource"
import { Effect, Result } from "effect"

/** Something that cannot be brought about, and why, for a person. */
export interface Failure {
  readonly kind: string
  readonly address: ResourceAddress
  readonly scope: Scope
  readonly message: string
}

/** A change that waits for something that cannot be brought about. */
export interface Blocked {
  readonly kind: string
  readonly address: ResourceAddress
  readonly scope: Scope
  readonly by: ResourceAddress
}

/** What one kind would do, or why it cannot be known; then everything that it owns counts as not in place. */
export type KindOutlook<Write> =
  | { readonly known: true; readonly plan: KindPlan<Write> }
  | { readonly known: false; readonly kind: string; readonly failures: ReadonlyArray<Failure> }

/** One look at the host through every kind, in the order in which changes would be made. */
export interface Plan<Write> {
  readonly outlooks: ReadonlyArray<KindOutlook<Write>>
  readonly resources: ReadonlyArray<ResourceView>
  readonly changes: ReadonlyArray<ChangeView>
  readonly failures: ReadonlyArray<Failure>
  readonly blocked: ReadonlyArray<Blocked>
}

/** Looks at one kind. A kind that cannot be read fails alone, with all that it owns. */
export const outlook = <Read, Write>(
  kind: Kind<Read, Write>,
  input: DesiredInput
): Effect.Effect<KindOutlook<Write>, never, Read> =>
  kind.plan(input).pipe(
    Effect.result,
    Effect.map(Result.match({
      onSuccess: (plan): KindOutlook<Write> => ({ known: true, plan }),
      onFailure: (error): KindOutlook<Write> => ({
        known: false,
        kind: kind.kind,
        failures: unreadable(kind.kind, kind.resources(input), error.message)
      })
    }))
  )

/** A kind of which nothing is wanted still fails when it cannot be read: what should be removed is not known. */
const unreadable = (
  kind: string,
  resources: ReadonlyArray<ResourceView>,
  message: string
): ReadonlyArray<Failure> =>
  resources.length === 0
    ? [{ kind, address: `node/${kind}`, scope: "node", message }]
    : resources.map(({ address, scope }) => ({ kind, address, scope, message }))

/** Failures that are known before anything is done: refused resources, and kinds that cannot be read. */
export const failuresOf = <Write>(outlook: KindOutlook<Write>): ReadonlyArray<Failure> =>
  outlook.known
    ? outlook.plan.refused.map(({ address, refused, scope }) => ({
      kind: outlook.plan.kind,
      address,
      scope,
      message: refused
    }))
    : outlook.failures

/** Looks at every kind at once and works out what would be blocked. Writes nothing. */
export const plan = Effect.fn("Plan.plan")(
  function*<Read, Write>(kinds: ReadonlyArray<Kind<Read, Write>>, input: DesiredInput) {
    const outlooks = yield* Effect.forEach(kinds, (kind) => outlook(kind, input), { concurrency: "unbounded" })
    return planOf(outlooks, kinds.flatMap((kind) => kind.resources(input)))
  }
)

/** Puts the looks together. Pure. */
export const planOf = <Write>(
  outlooks: ReadonlyArray<KindOutlook<Write>>,
  resources: ReadonlyArray<ResourceView>
): Plan<Write> => {
  const changes = outlooks.flatMap((each) => each.known ? each.plan.changes : [])
  const failures = outlooks.flatMap(failuresOf)
  return { outlooks, resources, changes, failures, blocked: blockedBy(changes, failures) }
}

/** The changes that need, directly or through others, something that fails. In the order of the changes. Pure. */
export const blockedBy = (
  changes: ReadonlyArray<ChangeView>,
  failures: ReadonlyArray<{ readonly address: ResourceAddress }>
): ReadonlyArray<Blocked> => {
  const out = new Set(failures.map(({ address }) => address))
  const blocked: Array<Blocked> = []
  let found = true
  while (found) {
    found = false
    for (const change of changes) {
      if (out.has(change.address)) continue
      const by = change.needs.find((need) => out.has(need))
      if (by === undefined) continue
      out.add(change.address)
      blocked.push({ kind: change.kind, address: change.address, scope: change.scope, by })
      found = true
    }
  }
  return blocked
}
