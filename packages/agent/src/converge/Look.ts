import type { DesiredInput, Kind } from "@patela/domain/reconciler/Kind"
import type { ResourceAddress } from "@patela/domain/reconciler/Resource"
import { Effect } from "effect"
import { type KindOutlook, outlook, type Plan, planOf } from "./Plan.ts"

/** A look at some kinds, in the order in which changes would be made, and what they would do. */
export interface Look<Read, Write> {
  readonly kinds: ReadonlyArray<Kind<Read, Write>>
  readonly plan: Plan<Write>
  /** Whether every kind was looked at. */
  readonly full: boolean
}

/**
 * Looks at the kinds named in `only`, and then at every kind that something found there would have to wait for: a unit is
 * never started on what an earlier look saw of its addresses. A removal concerns all kinds, for they are taken down
 * together. Without `only` it looks at all of them. Writes nothing.
 */
export const look = Effect.fn("Look.look")(
  function*<Read, Write>(
    kinds: ReadonlyArray<Kind<Read, Write>>,
    input: DesiredInput,
    only: ReadonlySet<string> | undefined
  ) {
    const everything = new Set(kinds.map(({ kind }) => kind))
    const owners = ownersOf(kinds, input)
    const seen = new Map<string, KindOutlook<Write>>()
    let chosen: ReadonlySet<string> = only ?? everything
    let missing = kinds.filter(({ kind }) => chosen.has(kind))
    while (missing.length > 0) {
      const found = yield* Effect.forEach(
        missing,
        (kind) => Effect.map(outlook(kind, input), (it) => [kind.kind, it] as const),
        { concurrency: "unbounded" }
      )
      for (const [kind, it] of found) seen.set(kind, it)
      chosen = widened(seen.values(), chosen, owners, everything)
      missing = kinds.filter(({ kind }) => chosen.has(kind) && !seen.has(kind))
    }
    const looked = kinds.filter(({ kind }) => seen.has(kind))
    const outlooks = looked.flatMap(({ kind }) => seen.get(kind) ?? [])
    const plan = planOf(outlooks, looked.flatMap((kind) => kind.resources(input)))
    return { kinds: looked, plan, full: looked.length === kinds.length } satisfies Look<Read, Write>
  }
)

const ownersOf = <Read, Write>(
  kinds: ReadonlyArray<Kind<Read, Write>>,
  input: DesiredInput
): ReadonlyMap<ResourceAddress, string> =>
  new Map(kinds.flatMap((kind) => kind.resources(input).map(({ address }) => [address, kind.kind] as const)))

const widened = <Write>(
  outlooks: Iterable<KindOutlook<Write>>,
  chosen: ReadonlySet<string>,
  owners: ReadonlyMap<ResourceAddress, string>,
  everything: ReadonlySet<string>
): ReadonlySet<string> => {
  const wider = new Set(chosen)
  for (const each of outlooks) {
    for (const { action, needs } of each.known ? each.plan.changes : []) {
      if (action === "remove") return everything
      for (const need of needs) {
        const owner = owners.get(need)
        if (owner !== undefined) wider.add(owner)
      }
    }
  }
  return wider
}
