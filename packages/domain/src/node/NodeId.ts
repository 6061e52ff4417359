import { Schema } from "effect"

/** The number by which people and the server name a node: 1, 2, ... */
export const NodeId = Schema.Int.pipe(Schema.check(Schema.isGreaterThan(0)), Schema.brand("NodeId"))
export type NodeId = typeof NodeId.Type
