import { ResolvedNode, ResolvedRelay } from "@patela/domain/node/NodeConfig"
import { Schema } from "effect"

/** The relays of a node, resolved. */
export const ToldRelays = Schema.Array(ResolvedRelay)

const { prefix_v4: _v4, prefix_v6: _v6, pools: _pools, ...network } = ResolvedNode.fields.network.fields

/** What a node is told of itself, without what is of the environment of the server that answers: pools and prefixes. */
export const ToldNode = Schema.Struct({ ...ResolvedNode.fields, network: Schema.Struct(network) })
export type ToldNode = typeof ToldNode.Type
