import type { NodeConfig } from "@patela/domain/node/NodeConfig"
import { Option } from "effect"
import type { Hold } from "../converge/Hold.ts"
import { configDigest, type Notes } from "../host/AgentState.ts"

/** A configuration and whether it stands in for a newer one that was taken back. */
export interface Enforced {
  readonly config: NodeConfig
  /** Why the configuration that the server says is not enforced, or is only without its network. */
  readonly takenBack: string | undefined
}

/**
 * What is enforced when the server says `config`: just that, unless it was taken back on this boot. Then it is the last
 * good one; where there is none, it is this one without any network change. Pure.
 */
export const enforcedFor = (config: NodeConfig, notes: Notes, kept: Option.Option<NodeConfig>): Enforced => {
  const { quarantined } = notes
  if (quarantined === undefined || quarantined === null || quarantined.digest !== configDigest(config)) {
    return { config, takenBack: undefined }
  }
  const good = Option.filter(kept, (other) => configDigest(other) !== quarantined.digest)
  return { config: Option.getOrElse(good, () => config), takenBack: quarantined.why }
}

/** Holds the network changes of a configuration that was taken back. Pure. */
export const quarantineHold = (config: NodeConfig, notes: Notes, network: ReadonlySet<string>): Hold => {
  const { quarantined } = notes
  if (quarantined === undefined || quarantined === null || quarantined.digest !== configDigest(config)) {
    return () => undefined
  }
  const why = `is not tried again, for this configuration cut the node off from its server (${quarantined.why}). ` +
    "Change it on the server, or say `patela-agent reconcile --retry-rolled-back`"
  return ({ kind }) => network.has(kind) ? why : undefined
}
