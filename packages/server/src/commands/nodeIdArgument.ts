import { NodeId } from "@patela/domain/node/NodeId"
import { Argument } from "effect/cli"

export const nodeIdArgument = Argument.Int("id").pipe(
  Argument.withSchema(NodeId),
  Argument.withDescription("The node's number, as `patela list node` shows it")
)
