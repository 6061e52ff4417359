import type { RelayName } from "../relay/RelayName.ts"

/** Where a resource stands in the desired state, such as `relay/toma/torrc` or `node/source-nat`. One kind owns it. */
export type ResourceAddress = string

/** What a failure of a resource is a failure of: the whole node, or one relay. */
export type Scope = "node" | `relay/${RelayName}`

export const relayScope = (name: RelayName): Scope => `relay/${name}`

/** One thing that should be so on the host. `needs` are resources, mostly of other kinds, that must be so first. */
export interface Resource<D> {
  readonly address: ResourceAddress
  readonly scope: Scope
  readonly value: D
  readonly needs: ReadonlyArray<ResourceAddress>
  /** Resources whose change to a new configuration will change this one too, though nothing shows yet. */
  readonly follows?: ReadonlyArray<Follow>
  /** The resource that this one is a late part of: while nothing is to be done to it, it is not spoken of by itself. */
  readonly partOf?: ResourceAddress
}

/** A resource that another one follows, and what that comes to, for a person. */
export interface Follow {
  readonly address: ResourceAddress
  readonly line: string
}

/**
 * A resource that cannot be wanted as configured, with the reason for a person. What the host has in its place is
 * left alone, and whatever needs it is blocked.
 */
export interface RefusedResource {
  readonly address: ResourceAddress
  readonly scope: Scope
  readonly refused: string
}
