import type { NodeId } from "@patela/domain/node/NodeId"
import type { RelayName } from "@patela/domain/relay/RelayName"

/** Which layer: of all relays, of one node's, of one relay. */
export type TorrcScope =
  | { readonly of: "default" }
  | { readonly of: "node"; readonly id: NodeId }
  | { readonly of: "relay"; readonly name: RelayName }

export const scopeText = (scope: TorrcScope): string =>
  scope.of === "default" ? "default" : scope.of === "node" ? `node ${scope.id}` : `relay ${scope.name}`
