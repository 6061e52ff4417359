import type { NodeConfig, ResolvedNode, ResolvedRelay } from "@patela/domain/node/NodeConfig"
import { Effect, Ref } from "effect"
import { type Ask, rememberingLast } from "./rememberingLast.ts"
import type { ServerAway } from "./SessionError.ts"

/** How often a configuration that changes while it is read is read. */
const READINGS = 3

/** A configuration, and the two bodies that it was put together from. */
interface Read {
  readonly node: ResolvedNode
  readonly relays: ReadonlyArray<ResolvedRelay>
  readonly config: NodeConfig
}

/** The two requests that together answer with a configuration. */
export interface ConfigRequests<E1, E2> {
  readonly node: Ask<ResolvedNode, E1>
  readonly relays: Ask<ReadonlyArray<ResolvedRelay>, E2>
}

/**
 * Reads the configuration: the very same object as before where nothing changed, for which two answers of 304 are enough.
 *
 * A change may come between the answers. The node's half, which has the generation, is read before the relays and then
 * again: where it is still the same, both are of one time. After three readings in which something changed each time, the
 * relays may be newer than the generation says, and are asked for again with the next event; older they never are.
 */
export const configReader = Effect.fnUntraced(function*<E1, E2>(requests: ConfigRequests<E1, E2>) {
  const askNode = yield* rememberingLast(requests.node)
  const askRelays = yield* rememberingLast(requests.relays)
  const last = yield* Ref.make<Read | undefined>(undefined)

  const read: Effect.Effect<NodeConfig, E1 | E2 | ServerAway> = Effect.gen(function*() {
    let node = yield* askNode
    let relays = yield* askRelays
    for (let reading = 1; relays.changed && reading < READINGS; reading++) {
      const again = yield* askNode
      if (!again.changed) break
      node = again
      relays = yield* askRelays
    }
    const before = yield* Ref.get(last)
    if (before?.node === node.body && before.relays === relays.body) return before.config
    const config = { relays: relays.body, ...node.body } satisfies NodeConfig
    yield* Ref.set(last, { node: node.body, relays: relays.body, config })
    return config
  })
  return read
})
