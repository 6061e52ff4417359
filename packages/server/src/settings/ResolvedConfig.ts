import type { ResolvedNode, ResolvedRelay } from "@patela/domain/node/NodeConfig"
import type { NodeId } from "@patela/domain/node/NodeId"
import { Context, Effect, Layer, Option } from "effect"
import type { NodeRow } from "../nodes/NodeRow.ts"
import { Nodes } from "../nodes/Nodes.ts"
import { Held } from "../rollout/Held.ts"
import type { StoreFailed } from "../store/StoreFailed.ts"
import { type NetworkMissing, Telling } from "./Telling.ts"

/** What a node is told to run: the layers and settings of the server, resolved, or those of before that a rollout holds it at. */
export class ResolvedConfig extends Context.Service<ResolvedConfig, {
  readonly relaysOf: (node: NodeRow) => Effect.Effect<ReadonlyArray<ResolvedRelay>, StoreFailed>
  readonly of: (node: NodeId) => Effect.Effect<ResolvedNode, NetworkMissing | StoreFailed>
}>()("@patela/server/settings/ResolvedConfig") {
  static readonly layer = Layer.effect(
    ResolvedConfig,
    Effect.gen(function*() {
      const nodes = yield* Nodes
      const telling = yield* Telling
      const held = yield* Held

      const relaysOf = Effect.fn("ResolvedConfig.relaysOf")(function*(node: NodeRow) {
        const before = Option.getOrUndefined(yield* held.find(node.id))
        const now = yield* telling.relaysOf(node)
        if (before === undefined) return now
        // On record now: for a relay with none a node may make new keys. What is not its own any more may run elsewhere.
        const records = new Map(
          now.flatMap(({ fingerprint, formerly = [], name }) =>
            [name, ...formerly].map((one) => [one, fingerprint] as const)
          )
        )
        return before.relays.flatMap((relay) => {
          const fingerprint = records.get(relay.name)
          return fingerprint === undefined ? [] : [{ ...relay, fingerprint }]
        })
      })

      const of = Effect.fn("ResolvedConfig.of")(function*(id: NodeId) {
        const before = Option.getOrUndefined(yield* held.find(id))
        const node = yield* Effect.flatMap(
          nodes.find(id),
          // Who asks for it has been authorized as this node a moment ago; it was removed since.
          Option.match({ onNone: () => Effect.die(`node ${id} is gone`), onSome: Effect.succeed })
        )
        return before === undefined ? yield* telling.of(node) : before.node
      })

      return ResolvedConfig.of({ relaysOf, of })
    })
  )
}
