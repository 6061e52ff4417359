import { Schema } from "effect"
import type { Resource, ResourceAddress, Scope } from "./Resource.ts"

export const Action = Schema.Literals(["create", "update", "remove"])
export type Action = typeof Action.Type

/** Why a change is needed. Drift is a difference that no new configuration explains. */
export const Reason = Schema.Literals(["config changed", "drift", "not in config", "dependency changed"])
export type Reason = typeof Reason.Type

/** What a change is, whatever it carries. `lines` say the difference to a person; no secret ever stands in them. */
interface ChangeBase {
  readonly address: ResourceAddress
  readonly scope: Scope
  readonly needs: ReadonlyArray<ResourceAddress>
  readonly lines: ReadonlyArray<string>
  /** Set where the kind knows better than the engine, which else tells drift from a changed configuration. */
  readonly reason?: Reason
}

export interface Create<D> extends ChangeBase {
  readonly action: "create"
  readonly desired: D
}
export interface Update<D, A> extends ChangeBase {
  readonly action: "update"
  readonly desired: D
  readonly observed: A
}
export interface Remove<A> extends ChangeBase {
  readonly action: "remove"
  readonly observed: A
}

/** One step from observed to desired, with the values that applying it takes. */
export type Change<D, A> = Create<D> | Update<D, A> | Remove<A>

/** A change as everything outside its kind sees it: never the values. */
export interface ChangeView {
  readonly kind: string
  readonly address: ResourceAddress
  readonly scope: Scope
  readonly action: Action
  readonly reason: Reason
  readonly needs: ReadonlyArray<ResourceAddress>
  readonly lines: ReadonlyArray<string>
}

/** How a kind tells its desired and observed values apart, for `differences`. */
export interface Comparison<D, A> {
  readonly desired: ReadonlyArray<Resource<D>>
  readonly observed: ReadonlyMap<ResourceAddress, A>
  /** What differs between the two in managed fields, one line a difference; empty means in sync. */
  readonly compare: (desired: D, observed: A) => ReadonlyArray<string>
  /** What a creation says. */
  readonly created: (desired: D) => ReadonlyArray<string>
  /** What a removal says and whose it is; undefined leaves the thing alone, for it is not Patela's. */
  readonly removed: (
    observed: A,
    address: ResourceAddress
  ) => { readonly scope: Scope; readonly lines: ReadonlyArray<string> } | undefined
}

/** The changes by address: what is missing is created, what differs updated, what is Patela's and unwanted removed. */
export const differences = <D, A>(comparison: Comparison<D, A>): ReadonlyArray<Change<D, A>> => {
  const changes: Array<Change<D, A>> = []
  const wanted = new Set<ResourceAddress>()
  for (const { address, needs, scope, value } of comparison.desired) {
    wanted.add(address)
    const observed = comparison.observed.get(address)
    if (observed === undefined) {
      changes.push({ action: "create", address, scope, needs, desired: value, lines: comparison.created(value) })
      continue
    }
    const lines = comparison.compare(value, observed)
    if (lines.length > 0) changes.push({ action: "update", address, scope, needs, desired: value, observed, lines })
  }
  for (const [address, observed] of comparison.observed) {
    if (wanted.has(address)) continue
    const removal = comparison.removed(observed, address)
    if (removal !== undefined) changes.push({ action: "remove", address, needs: [], observed, ...removal })
  }
  return changes
}
