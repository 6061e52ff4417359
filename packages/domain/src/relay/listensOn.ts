import type { ResolvedRelay } from "../node/NodeConfig.ts"

/**
 * What a relay has on one of its addresses for itself, as people read it. Relays of a node may have an address together,
 * and a port of it only one of them.
 */
export const listensOn = (
  { dir_port, or_port }: Pick<ResolvedRelay, "dir_port" | "or_port">,
  address: string
): ReadonlyArray<string> =>
  (dir_port === null ? [or_port] : [or_port, dir_port]).map((port) => `port ${port} of ${address}`)
