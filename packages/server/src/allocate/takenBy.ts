import type { NodeId } from "@patela/domain/node/NodeId"
import type { RelayName } from "@patela/domain/relay/RelayName"
import type { LeftBehind } from "../relays/Quarantine.ts"
import { formerNames, type RelayRow } from "../relays/RelayRow.ts"
import type { Held } from "../relays/Relays.ts"
import type { Taken } from "./allocate.ts"

const present = <A>(value: A | null): ReadonlyArray<A> => value === null ? [] : [value]

/**
 * What a node cannot be given. A name that the node is told was removed, or that one of its relays had before, is no name
 * for a new relay there at any time: its TPM may still have that one's keys.
 */
export const takenBy = (input: {
  readonly node: NodeId
  /** Of all nodes. */
  readonly relays: ReadonlyArray<Held>
  readonly mine: ReadonlyArray<RelayRow>
  readonly held: ReadonlyArray<LeftBehind>
  readonly removed: ReadonlyArray<RelayName>
  readonly reserved: ReadonlySet<string>
}): Taken => {
  const { node, relays, mine, held, removed, reserved } = input
  return {
    names: new Set([
      ...relays.map(({ name }) => name),
      ...held.flatMap(({ name }) => present(name)),
      ...removed,
      ...mine.flatMap(formerNames)
    ]),
    addresses: new Set<string>([
      ...relays.flatMap(({ ip_v4, ip_v6 }) => [ip_v4, ...present(ip_v6)]),
      ...held.flatMap(({ ip_v4, ip_v6 }) => [...present(ip_v4), ...present(ip_v6)]),
      ...reserved
    ]),
    slots: new Set<number>([
      ...mine.map(({ slot }) => slot),
      ...held.filter(({ node_id }) => node_id === node).flatMap(({ slot }) => present(slot))
    ])
  }
}
