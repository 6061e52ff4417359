import type { ResolvedNode, ResolvedRelay } from "@patela/domain/node/NodeConfig"
import { Context, Effect, Layer, Schema } from "effect"
import { Family } from "../family/Family.ts"
import type { NodeRow } from "../nodes/NodeRow.ts"
import { fingerprintsOf, formerNames } from "../relays/RelayRow.ts"
import { Relays } from "../relays/Relays.ts"
import { RemovedRelays } from "../relays/RemovedRelays.ts"
import type { StoreFailed } from "../store/StoreFailed.ts"
import { layerReader, resolveTorrc } from "../torrc/resolveTorrc.ts"
import { FleetSettings } from "./FleetSettings.ts"

/** Nobody said yet what network relays are in. */
export class NetworkMissing extends Schema.TaggedError<NetworkMissing>()("NetworkMissing", { message: Schema.String }) {
  static readonly made = new NetworkMissing({
    message: "The relay network is not set. On the server: patela network set --gateway-v4 ADDRESS --dns ADDRESS,..."
  })
  static readonly noPool = new NetworkMissing({
    message: "There is no pool of IPv4 addresses. On the server: patela pool add FIRST-LAST/PREFIX"
  })
}

/** What a node is to be told: the layers and settings of now, resolved. */
export class Telling extends Context.Service<Telling, {
  readonly relaysOf: (node: NodeRow) => Effect.Effect<ReadonlyArray<ResolvedRelay>, StoreFailed>
  readonly of: (node: NodeRow) => Effect.Effect<ResolvedNode, NetworkMissing | StoreFailed>
}>()("@patela/server/settings/Telling") {
  static readonly layer = Layer.effect(
    Telling,
    Effect.gen(function*() {
      const fleet = yield* FleetSettings
      const relays = yield* Relays
      const removed = yield* RemovedRelays
      const family = yield* Family

      const relaysOf = Effect.fn("Telling.relaysOf")(function*(node: NodeRow) {
        const { network, plainTorrc, torrc: global } = yield* fleet.now
        const read = layerReader(network?.test_network === true)
        return (yield* relays.ofNode(node.id)).map((relay): ResolvedRelay => ({
          ...relay.formerly === "" ? {} : { formerly: formerNames(relay) },
          name: relay.name,
          slot: relay.slot,
          ip_v4: relay.ip_v4,
          ip_v6: relay.ip_v6,
          or_port: relay.or_port,
          dir_port: relay.dir_port,
          torrc: node.torrc === "" && relay.torrc === ""
            ? plainTorrc
            : resolveTorrc({ global, node: node.torrc, relay: relay.torrc }, read),
          fingerprint: fingerprintsOf(relay)
        }))
      })

      const of = Effect.fn("Telling.of")(function*(node: NodeRow) {
        const { generation, imagePolicy: image_policy, network, pools: { v4, v6 } } = yield* fleet.now
        if (network === undefined) return yield* NetworkMissing.made
        const { gateway_v4, gateway_v6, dns, geoip, test_network } = network
        const gateways = {
          v4: v4.find((pool) => pool.networkHolds(gateway_v4)) ?? v4[0],
          v6: v6.find((pool) => gateway_v6 !== null && pool.networkHolds(gateway_v6)) ?? v6[0]
        }
        if (gateways.v4 === undefined) return yield* NetworkMissing.noPool
        const declared = yield* family.told(node)
        return {
          generation,
          removed: yield* removed.ofNode(node.id),
          network: {
            gateway_v4,
            gateway_v6,
            prefix_v4: gateways.v4.prefix,
            prefix_v6: gateways.v6?.prefix ?? null,
            dns,
            pools: [...v4, ...v6].map(({ range }) => range)
          },
          geoip: node.geoip_override ?? geoip,
          test_network,
          ...image_policy === undefined ? {} : { image_policy },
          ...declared === undefined ? {} : { family: declared }
        }
      })

      return Telling.of({ relaysOf, of })
    })
  )
}
