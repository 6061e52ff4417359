import type { NodeId } from "@patela/domain/node/NodeId"
import { Result } from "effect"
import type { NewRelay } from "../relays/Relays.ts"
import { allocate, type AllocationInput, type PoolExhausted, type Taken } from "./allocate.ts"
import type { Given } from "./takenBy.ts"

/** How many relays a node is to be given. */
export interface Need {
  readonly id: NodeId
  readonly missing: number
}

/** What came of each node. */
export type GivenToNodes = ReadonlyMap<NodeId, Result.Result<ReadonlyArray<NewRelay>, PoolExhausted>>

/**
 * Gives nodes their relays one after another, each as if those before it had been stored already: all that it needs, or
 * nothing, which takes nothing from those after it. A node is there once.
 */
export const allocateInTurn = ({ needs, perAddress, pools, takenFor }: {
  readonly needs: ReadonlyArray<Need>
  /** What a node cannot be given, besides what others were given here. */
  readonly takenFor: (node: NodeId, given: Given) => Taken
} & Pick<AllocationInput, "pools" | "perAddress">): GivenToNodes => {
  const names = new Set<string>()
  const addresses = new Set<string>()
  return new Map(needs.map(({ id, missing }) => {
    const added = missing === 0
      ? Result.succeed([])
      : allocate({ missing, taken: takenFor(id, { names, addresses }), pools, perAddress })
    for (const { ip_v4, ip_v6, name } of Result.getOrElse(added, () => [])) {
      names.add(name)
      addresses.add(ip_v4)
      if (ip_v6 !== null) addresses.add(ip_v6)
    }
    return [id, added] as const
  }))
}
