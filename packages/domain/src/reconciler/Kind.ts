import { Effect, Schema, type Stream } from "effect"
import type { HostFacts } from "../node/HostFacts.ts"
import type { NodeConfig } from "../node/NodeConfig.ts"
import type { Change, ChangeView, Reason } from "./Change.ts"
import { lastResult } from "./lastResult.ts"
import type { Outcome } from "./Outcome.ts"
import type { Follow, RefusedResource, Resource, ResourceAddress, Scope } from "./Resource.ts"

/** The host could not be read, or said something that cannot be understood. */
export class ObservationFailed extends Schema.TaggedError<ObservationFailed>()("ObservationFailed", {
  kind: Schema.String,
  message: Schema.String
}) {}

/**
 * What the desired state is computed from. `configIsNew`: no pass was made with this configuration on this boot.
 * `pending`: resources that were not as it wants after the last one; what is different elsewhere is drift.
 */
export interface DesiredInput {
  readonly config: NodeConfig
  readonly facts: HostFacts
  readonly configIsNew: boolean
  readonly pending?: ReadonlySet<ResourceAddress>
}

/** An event says where to look, never what is there. */
export type WatchSignal = "look again" | "events lost"

/**
 * What the author of a kind writes. `Read` are the services that only look at the host, `Write` those that change
 * it; a layer without writers cannot run `apply`, and the compiler says so.
 */
export interface KindSpec<D, A, Read, Write> {
  readonly kind: string
  /** Pure. Every resource of this kind that the configuration asks for, or why it cannot be had. */
  readonly desired: (
    input: Omit<DesiredInput, "configIsNew" | "pending">
  ) => ReadonlyArray<Resource<D> | RefusedResource>
  /** One bulk read of the host, decoded by Schema: everything of this kind that is there, by address. */
  readonly observe: (
    desired: ReadonlyArray<Resource<D>>
  ) => Effect.Effect<ReadonlyMap<ResourceAddress, A>, ObservationFailed, Read>
  /** Pure and total. It compares managed fields only. */
  readonly diff: (
    desired: ReadonlyArray<Resource<D>>,
    observed: ReadonlyMap<ResourceAddress, A>
  ) => ReadonlyArray<Change<D, A>>
  /** A batch in, an outcome for each change out; one kernel transaction where the kernel has one. */
  readonly apply: (
    changes: ReadonlyArray<Change<D, A>>
  ) => Effect.Effect<ReadonlyMap<ResourceAddress, Outcome>, never, Write>
  readonly watch: Stream.Stream<WatchSignal, ObservationFailed, Read>
  /** A look takes its time, as a TPM does, and nothing waits for it: after an event other kinds are looked at first. */
  readonly unhurried?: boolean
  /**
   * For a kind that could cut the node off from its server: remembers what it has on the host now, and gives the effect
   * that puts just that back, whatever was applied since.
   */
  readonly checkpoint?: (
    desired: ReadonlyArray<Resource<D>>
  ) => Effect.Effect<Effect.Effect<Outcome, never, Write>, ObservationFailed, Read>
}

/** A kind with its value types closed over, so that kinds of any types stand in one list. */
export interface Kind<Read, Write> {
  readonly kind: string
  /** The addresses that the configuration asks for, also where the host cannot be read. */
  readonly resources: (input: DesiredInput) => ReadonlyArray<ResourceView>
  readonly plan: (input: DesiredInput) => Effect.Effect<KindPlan<Write>, ObservationFailed, Read>
  readonly watch: Stream.Stream<WatchSignal, ObservationFailed, Read>
  /** See `KindSpec`. */
  readonly unhurried: boolean
  /** See `KindSpec`; undefined for a kind that cannot cut the node off. */
  readonly checkpoint:
    | ((input: DesiredInput) => Effect.Effect<Effect.Effect<Outcome, never, Write>, ObservationFailed, Read>)
    | undefined
}

export interface ResourceView {
  readonly address: ResourceAddress
  readonly scope: Scope
  readonly follows?: ReadonlyArray<Follow>
  readonly partOf?: ResourceAddress
}

export interface KindPlan<Write> {
  readonly kind: string
  readonly resources: ReadonlyArray<ResourceView>
  readonly refused: ReadonlyArray<RefusedResource>
  readonly changes: ReadonlyArray<ChangeView>
  readonly apply: (
    admitted: (change: ChangeView) => boolean
  ) => Effect.Effect<ReadonlyMap<ResourceAddress, Outcome>, never, Write>
}

const isRefused = <D>(resource: Resource<D> | RefusedResource): resource is RefusedResource => "refused" in resource
const isWanted = <D>(resource: Resource<D> | RefusedResource): resource is Resource<D> => !isRefused(resource)

const resourceView = <D>(resource: Resource<D> | RefusedResource): ResourceView => {
  const { address, scope } = resource
  if (isRefused(resource)) return { address, scope }
  const { follows, partOf } = resource
  return {
    address,
    scope,
    ...(follows === undefined ? {} : { follows }),
    ...(partOf === undefined ? {} : { partOf })
  }
}

/** Closes over the types of a kind. */
export const make = <D, A, Read, Write>(spec: KindSpec<D, A, Read, Write>): Kind<Read, Write> => {
  // A pass asks several times, and the next pass mostly for the same.
  const desiredFor = lastResult((config: NodeConfig, facts: HostFacts) => {
    const all = spec.desired({ config, facts })
    return { desired: all.filter(isWanted), refused: all.filter(isRefused), views: all.map(resourceView) }
  })
  const desiredOf = ({ config, facts }: DesiredInput) => desiredFor(config, facts)
  const differencesOf = lastResult(spec.diff)

  const resources = (input: DesiredInput) => desiredOf(input).views

  const plan = Effect.fn(`${spec.kind}.plan`)(function*(input: DesiredInput) {
    const { desired, refused, views } = desiredOf(input)
    const observed = yield* spec.observe(desired)
    const untouchable = new Set(refused.map(({ address }) => address))
    const changes = differencesOf(desired, observed)
      .filter(({ address }) => !untouchable.has(address))
      .map((change) => ({ change, view: viewOf(spec.kind, change, input) }))
    return {
      kind: spec.kind,
      resources: views,
      refused,
      changes: changes.map(({ view }) => view),
      apply: (admitted: (change: ChangeView) => boolean) => {
        const batch = changes.filter(({ view }) => admitted(view)).map(({ change }) => change)
        return batch.length === 0 ? Effect.succeed(new Map<ResourceAddress, Outcome>()) : spec.apply(batch)
      }
    }
  })

  const { checkpoint } = spec
  return {
    kind: spec.kind,
    resources,
    plan,
    watch: spec.watch,
    unhurried: spec.unhurried === true,
    checkpoint: checkpoint === undefined
      ? undefined
      : (input) => checkpoint(desiredOf(input).desired)
  }
}

const viewOf = <D, A>(kind: string, change: Change<D, A>, { configIsNew, pending }: DesiredInput): ChangeView => {
  const wasInPlace = !configIsNew && pending?.has(change.address) !== true
  const usual: Reason = change.action === "remove" ? "not in config" : wasInPlace ? "drift" : "config changed"
  return {
    kind,
    address: change.address,
    scope: change.scope,
    action: change.action,
    reason: change.reason ?? usual,
    needs: change.needs,
    lines: change.lines
  }
}
