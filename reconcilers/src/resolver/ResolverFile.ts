import type { NodeConfig } from "@patela/domain/node/NodeConfig"
import type { Resource, ResourceAddress } from "@patela/domain/reconciler/Resource"

/** What the file of name servers should hold. */
export interface DesiredResolver {
  readonly content: string
}

/** What the file holds. `link` is anything that is not a plain file. */
export type ObservedResolver =
  | {
    readonly type: "file"
    readonly content: string
    readonly mode: number
    readonly uid: number
    readonly gid: number
  }
  | { readonly type: "not a file" }

export const RESOLVER_ADDRESS: ResourceAddress = "node/resolver"

/** The first line of the file, by which it is known as Patela's. */
export const RESOLVER_HEADER = "# Made by Patela from the configuration of this node; changes are overwritten."

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
  const lines = [RESOLVER_HEADER, ...dns.map((server) => `nameserver ${server}`)]
  return [{ address: RESOLVER_ADDRESS, scope: "node", needs: [], value: { content: `${lines.join("\n")}\n` } }]
}

export const isPatelas = (observed: ObservedResolver): boolean =>
  observed.type === "file" && observed.content.split("\n", 1)[0] === RESOLVER_HEADER
