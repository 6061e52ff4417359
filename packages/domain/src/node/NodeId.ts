import { Schema } from "effect"

/** The largest that an INTEGER column of PostgreSQL holds. */
const MOST = 2_147_483_647

/** The number by which people and the server name a node: 1, 2, ... */
export const NodeId = Schema.Int.pipe(
  Schema.check(Schema.isBetween({ minimum: 1, maximum: MOST })),
  Schema.brand("NodeId")
)
export type NodeId = typeof NodeId.Type
