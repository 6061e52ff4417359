import type { NodeConfig } from "@patela/domain/node/NodeConfig"
import type { Resource, ResourceAddress } from "@patela/domain/reconciler/Resource"
import { OWNED_HEADER } from "@patela/domain/torrc/ManagedLines"
import type { LookedAt } from "../host/LookAtFile.ts"

/** What the file of name servers should hold. */
export interface DesiredResolver {
  readonly content: string
}

/** What stands in the place of the file. */
export type ObservedResolver = Exclude<LookedAt, { readonly type: "absent" }>

export const RESOLVER_ADDRESS: ResourceAddress = "node/resolver"

export const RESOLVER_MODE = 0o644

/**
 * The name servers of the configuration, in the format of resolv.conf(5): tor reads all of them, where libc stops at
 * three. The /etc/resolv.conf of the host belongs to the host, and the agent finds its server by it.
 */
export const desiredResolver = (
  { config }: { readonly config: NodeConfig }
): ReadonlyArray<Resource<DesiredResolver>> => {
  const { dns } = config.network
  if (dns.length === 0) return []
  const lines = [OWNED_HEADER, ...dns.map((server) => `nameserver ${server}`)]
  return [{ address: RESOLVER_ADDRESS, scope: "node", needs: [], value: { content: `${lines.join("\n")}\n` } }]
}

export const isPatelas = (observed: ObservedResolver): boolean =>
  observed.type === "file" && observed.content.split("\n", 1)[0] === OWNED_HEADER
