import type { ChangeView } from "@patela/domain/reconciler/Change"
import type { DesiredInput, Kind, KindPlan } from "@patela/domain/reconciler/Kind"
import type { ResourceAddress, Scope } from "@patela/domain/reconciler/Resource"
import { Clock, Effect } from "effect"
import type { Held, Hold } from "./Hold.ts"
import type { Look } from "./Look.ts"
import { beginTrial, type NetworkTrial, type RolledBack, takenBack } from "./NetworkTrial.ts"
import { type Blocked, type Failure, failuresOf, type KindOutlook, outlook, type Plan, plan, planOf } from "./Plan.ts"

/** What a pass did and what is left. `changes` were made and then seen in place; `remaining` is the last look. */
export interface Convergence {
  readonly changes: ReadonlyArray<ChangeView>
  readonly failures: ReadonlyArray<Failure>
  readonly blocked: ReadonlyArray<Blocked>
  readonly held: ReadonlyArray<Held>
  readonly remaining: ReadonlyArray<ChangeView>
  /** Set where the network changes of this pass cut the node off and were taken back. */
  readonly rolledBack: RolledBack | undefined
  /**
   * When the look began, by kind, that `remaining` is from, where that was after a change; nanoseconds of the monotonic
   * clock, for the time of day may be set meanwhile.
   */
  readonly lookedAt: ReadonlyMap<string, bigint>
  /** Kinds of which that look showed what this pass did nothing about, for it came up meanwhile. */
  readonly cameUp: ReadonlySet<string>
}

interface Progress {
  readonly made: Array<ChangeView>
  readonly failures: Map<ResourceAddress, Failure>
  readonly blocked: Map<ResourceAddress, Blocked>
  readonly held: Map<ResourceAddress, Held>
  readonly hold: Hold
  /** The look at each kind after its last batch, and when it began. */
  readonly looks: Map<string, { readonly after: KindOutlook<unknown>; readonly at: bigint }>
  trial: NetworkTrial | "not begun" | "not wanted"
  rolledBack: RolledBack | undefined
}

/**
 * The engine: from a look, remove in the reverse of the kinds' order, create and update in their order, look again.
 *
 * Every kind is looked at again after it changed something, and what is not seen in place counts as failed, so a unit
 * never starts on the word of a writer. A failure blocks only what needs it. A batch is never interrupted half-way, and
 * who is interrupted after network changes still finds out first whether the server can be reached.
 */
export const converge = Effect.fn("Converge.converge")(
  function*<Read, Write>(first: Look<Read, Write>, input: DesiredInput, hold: Hold) {
    const { kinds, plan: seen } = first
    if (seen.changes.length === 0) return unchanged(seen)
    const progress: Progress = {
      made: [],
      failures: new Map(),
      blocked: new Map(),
      held: new Map(),
      hold,
      looks: new Map(),
      trial: input.configIsNew ? "not begun" : "not wanted",
      rolledBack: undefined
    }
    yield* removeAll(first, input, progress)
    yield* createAll(first, input, progress).pipe(Effect.ensuring(judge(kinds, progress)))
    const { last, lookedAt } = yield* lastLook(first, input, progress)
    for (const failure of last.failures) progress.failures.set(failure.address, failure)
    // A kind that could not be read at first, and then could: what was not removed for that says why, and is tried again.
    const causes = new Set([...progress.blocked.values()].map(({ by }) => by))
    for (const failure of seen.failures) {
      if (causes.has(failure.address) && !stands(progress, failure.address)) {
        progress.failures.set(failure.address, failure)
      }
    }
    return {
      changes: progress.made,
      failures: [...progress.failures.values()],
      blocked: [...progress.blocked.values()],
      held: [...progress.held.values()],
      remaining: last.changes,
      rolledBack: progress.rolledBack,
      lookedAt,
      cameUp: new Set(last.changes.filter((change) => isNews(progress, change)).map(({ kind }) => kind))
    } satisfies Convergence
  }
)

/** Everything again where something was made, and else only what was looked at since the first look anyhow. */
const lastLook = Effect.fnUntraced(function*<Read, Write>(
  { kinds, plan: seen }: Look<Read, Write>,
  input: DesiredInput,
  { looks, made, rolledBack }: Progress
) {
  if (made.length > 0 || rolledBack !== undefined) {
    const at = yield* Clock.monotonicTimeNanos
    return { last: yield* plan(kinds, input), lookedAt: new Map(kinds.map(({ kind }) => [kind, at])) }
  }
  const outlooks = kinds.flatMap(({ kind }, index): ReadonlyArray<KindOutlook<unknown>> => {
    const outlook = looks.get(kind)?.after ?? seen.outlooks[index]
    return outlook === undefined ? [] : [outlook]
  })
  return {
    last: planOf(outlooks, seen.resources),
    lookedAt: new Map([...looks].map(([kind, { at }]) => [kind, at]))
  }
})

/** It is neither in trouble nor a removal that was made and still shows, and so would again. */
const isNews = (progress: Progress, { action, address }: ChangeView): boolean =>
  !stands(progress, address) &&
  !(action === "remove" && progress.made.some((made) => made.action === "remove" && made.address === address))

/** From the last kind to the first. With a kind that cannot be read nothing is removed: what it has may still be in use. */
const removeAll = Effect.fnUntraced(function*<Read, Write>(
  { kinds, plan: { changes, outlooks } }: Look<Read, Write>,
  input: DesiredInput,
  progress: Progress
) {
  if (!changes.some(({ action }) => action === "remove")) return
  const [unreadable] = outlooks.flatMap((each) => each.known ? [] : each.failures)
  if (unreadable !== undefined) {
    for (const change of changes) if (change.action === "remove") block(progress, change, unreadable.address)
    return
  }
  for (const [index, kind] of [...kinds.entries()].toReversed()) {
    const each = outlooks[index]
    if (each?.known === true) yield* remove(kinds, kind, each.plan, input, progress)
  }
})

const createAll = Effect.fnUntraced(function*<Read, Write>(
  { kinds, plan: { outlooks } }: Look<Read, Write>,
  input: DesiredInput,
  progress: Progress
) {
  const lastOfNetwork = kinds.findLastIndex(({ checkpoint }) => checkpoint !== undefined)
  for (const [index, kind] of kinds.entries()) {
    const before = progress.made.length === 0 ? outlooks[index] : yield* outlook(kind, input)
    if (before === undefined) continue
    for (const failure of failuresOf(before)) progress.failures.set(failure.address, failure)
    if (before.known) yield* advance(kinds, kind, before.plan, input, progress)
    if (index === lastOfNetwork) yield* judge(kinds, progress)
  }
})

const unchanged = <Write>(look: Plan<Write>): Convergence => ({
  changes: [],
  failures: look.failures,
  blocked: look.blocked,
  held: [],
  remaining: [],
  rolledBack: undefined,
  lookedAt: new Map(),
  cameUp: new Set()
})

/** Why nothing can be done about this resource: it failed, waits, or is held. */
const stands = (progress: Progress, address: ResourceAddress): boolean =>
  progress.failures.has(address) || progress.blocked.has(address) || progress.held.has(address)

/** Notes that a change is held, where it is. */
const isHeld = (progress: Progress, change: ChangeView): boolean => {
  const why = progress.hold(change)
  if (why === undefined) return false
  const { address, kind, scope } = change
  progress.held.set(address, { kind, address, scope, why })
  return true
}

const block = (progress: Progress, { address, kind, scope }: ChangeView, by: ResourceAddress): void => {
  progress.blocked.set(address, { kind, address, scope, by })
}

const fail = (
  progress: Progress,
  { address, kind, scope }: Pick<ChangeView, "address" | "kind" | "scope">,
  message: string
): void => {
  progress.failures.set(address, { kind, address, scope, message })
}

/**
 * Takes away what is not wanted. Where one removal of a relay failed or is held, the rest of that relay stays as it is.
 * What is nobody's in particular (an address, a slot of the firewall) may be that relay's, so it stays as well.
 */
const remove = Effect.fnUntraced(function*<Read, Write>(
  kinds: ReadonlyArray<Kind<Read, Write>>,
  kind: Kind<Read, Write>,
  kindPlan: KindPlan<Write>,
  input: DesiredInput,
  progress: Progress
) {
  const stuck = new Map<Scope, ResourceAddress>()
  for (const { address, scope } of [...progress.failures.values(), ...progress.held.values()]) {
    if (!stuck.has(scope)) stuck.set(scope, address)
  }
  const someRelay = [...stuck].find(([scope]) => scope !== "node")?.[1]
  const admitted: Array<ChangeView> = []
  for (const change of kindPlan.changes) {
    if (change.action !== "remove") continue
    const by = change.scope === "node" ? someRelay : stuck.get(change.scope)
    if (by !== undefined) block(progress, change, by)
    else if (!isHeld(progress, change)) admitted.push(change)
  }
  yield* carryOut(kinds, kind, kindPlan, admitted, input, progress)
})

/** Creates and updates what this kind can, then looks whether it is so. */
const advance = Effect.fnUntraced(function*<Read, Write>(
  kinds: ReadonlyArray<Kind<Read, Write>>,
  kind: Kind<Read, Write>,
  kindPlan: KindPlan<Write>,
  input: DesiredInput,
  progress: Progress
) {
  const admitted: Array<ChangeView> = []
  for (const change of kindPlan.changes) {
    if (change.action === "remove") continue
    const by = change.needs.find((need) => stands(progress, need))
    if (by !== undefined) block(progress, change, by)
    else if (!isHeld(progress, change)) admitted.push(change)
  }
  if (admitted.length === 0) return
  yield* carryOut(kinds, kind, kindPlan, admitted, input, progress)
  const at = yield* Clock.monotonicTimeNanos
  const after = yield* outlook(kind, input)
  progress.looks.set(kind.kind, { after, at })
  for (const failure of failuresOf(after)) progress.failures.set(failure.address, failure)
  const tried = new Set(admitted.map(({ address }) => address))
  for (const change of after.known ? after.plan.changes : []) {
    const { action, address, lines } = change
    if (action === "remove" || !tried.has(address) || progress.failures.has(address)) continue
    fail(progress, change, `was applied but is not in place${lines.length === 0 ? "" : `: ${lines.join("; ")}`}`)
  }
})

const carryOut = Effect.fnUntraced(function*<Read, Write>(
  kinds: ReadonlyArray<Kind<Read, Write>>,
  kind: Kind<Read, Write>,
  kindPlan: KindPlan<Write>,
  admitted: ReadonlyArray<ChangeView>,
  input: DesiredInput,
  progress: Progress
) {
  if (admitted.length === 0) return
  if (kind.checkpoint !== undefined && progress.trial === "not begun") {
    progress.trial = (yield* beginTrial(kinds, input)) ?? "not wanted"
  }
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
    fail(progress, change, message)
  }
})

/** Once all network kinds have their changes: a new connection to the server must succeed, or they go back. */
const judge = Effect.fnUntraced(function*<Read, Write>(
  kinds: ReadonlyArray<Kind<Read, Write>>,
  progress: Progress
) {
  const { trial } = progress
  if (trial === "not begun" || trial === "not wanted") return
  progress.trial = "not wanted"
  const rolledBack = yield* trial.judge
  if (rolledBack === undefined) return
  progress.rolledBack = rolledBack
  const network = new Set(kinds.filter(({ checkpoint }) => checkpoint !== undefined).map(({ kind }) => kind))
  const kept = progress.made.filter(({ kind }) => !network.has(kind))
  for (const change of progress.made) {
    if (!network.has(change.kind)) continue
    fail(progress, change, takenBack(change, rolledBack))
  }
  progress.made.length = 0
  progress.made.push(...kept)
})
