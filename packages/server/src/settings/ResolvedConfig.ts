import type { ResolvedNode, ResolvedRelay } from "@patela/domain/node/NodeConfig"
import type { NodeId } from "@patela/domain/node/NodeId"
import { Context, Effect, Layer, Option, Schema } from "effect"
import { Pools } from "../allocate/Pools.ts"
import { Generation } from "../generation/Generation.ts"
import type { NodeRow } from "../nodes/NodeRow.ts"
import { Nodes } from "../nodes/Nodes.ts"
import { fingerprintsOf } from "../relays/RelayRow.ts"
import { Relays } from "../relays/Relays.ts"
import { RemovedRelays } from "../relays/RemovedRelays.ts"
import type { StoreFailed } from "../store/StoreFailed.ts"
import { layerReader, resolveTorrc } from "../torrc/resolveTorrc.ts"
import { Settings } from "./Settings.ts"

/** Nobody said yet what network relays are in. */
export class NetworkMissing extends Schema.TaggedError<NetworkMissing>()("NetworkMissing", { message: Schema.String }) {
  static readonly made = new NetworkMissing({
    message: "The relay network is not set. On the server: patela network set --gateway-v4 ADDRESS --dns ADDRESS,..."
  })
}

/** What a node is told to run: the layers and settings of the server, resolved. */
export class ResolvedConfig extends Context.Service<ResolvedConfig, {
  readonly relaysOf: (node: NodeRow) => Effect.Effect<ReadonlyArray<ResolvedRelay>, StoreFailed>
  readonly of: (node: NodeId) => Effect.Effect<ResolvedNode, NetworkMissing | StoreFailed>
}>()("@patela/server/settings/ResolvedConfig") {
  static readonly layer = Layer.effect(
    ResolvedConfig,
    Effect.gen(function*() {
      const generation = yield* Generation
      const nodes = yield* Nodes
      const relays = yield* Relays
      const removed = yield* RemovedRelays
      const settings = yield* Settings
      const { v4, v6 } = yield* Pools

      const relaysOf = Effect.fn("ResolvedConfig.relaysOf")(function*(node: NodeRow) {
        const global = Option.getOrElse(yield* settings.torrc, () => "")
        const read = layerReader(Option.exists(yield* settings.network, (network) => network.test_network))
        return (yield* relays.ofNode(node.id)).map((relay): ResolvedRelay => ({
          name: relay.name,
          slot: relay.slot,
          ip_v4: relay.ip_v4,
          ip_v6: relay.ip_v6,
          or_port: relay.or_port,
          dir_port: relay.dir_port,
          torrc: resolveTorrc({ global, node: node.torrc, relay: relay.torrc }, read),
          fingerprint: fingerprintsOf(relay)
        }))
      })

      const of = Effect.fn("ResolvedConfig.of")(function*(id: NodeId) {
        // First: should a change come between, the answer is newer than it says, and asked for again; never older.
        const current = yield* generation.current
        const node = yield* Effect.flatMap(
          nodes.find(id),
          // Who asks for it has been authorized as this node, and nodes that were enabled are never deleted.
          Option.match({ onNone: () => Effect.die(`node ${id} is gone`), onSome: Effect.succeed })
        )
        const network = Option.getOrUndefined(yield* settings.network)
        if (network === undefined) return yield* NetworkMissing.made
        const { gateway_v4, gateway_v6, dns, geoip, test_network } = network
        return {
          generation: current,
          removed: yield* removed.ofNode(id),
          network: {
            gateway_v4,
            gateway_v6,
            prefix_v4: v4.prefix,
            prefix_v6: v6 === undefined ? null : v6.prefix,
            dns,
            pools: v6 === undefined ? [v4.range] : [v4.range, v6.range]
          },
          geoip: node.geoip_override ?? geoip,
          test_network,
          ...Option.match(yield* settings.imagePolicy, {
            onNone: () => ({}),
            onSome: (image_policy) => ({ image_policy })
          })
        }
      })

      return ResolvedConfig.of({ relaysOf, of })
    })
  )
}
