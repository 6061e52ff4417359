import type { HostFacts } from "@patela/domain/node/HostFacts"
import type { NodeConfig, ResolvedRelay } from "@patela/domain/node/NodeConfig"
import { relayScope, type Resource, type ResourceAddress } from "@patela/domain/reconciler/Resource"
import type { RelayName } from "@patela/domain/relay/RelayName"
import { cpuOf } from "@patela/domain/relay/Slot"
import { OWNED_HEADER } from "@patela/domain/torrc/ManagedLines"
import { memoryMax } from "./memoryMax.ts"
import { SANDBOX } from "./sandbox.ts"

/** What Patela adds to a relay's unit, as a file. */
export interface DesiredDropIn {
  readonly relay: RelayName
  readonly content: string
}

export const DROP_IN_MODE = 0o644

export const dropInAddress = (relay: RelayName): ResourceAddress => `relay/${relay}/drop-in`

interface Input {
  readonly config: NodeConfig
  readonly facts: HostFacts
}

/** Every relay's place on the node, its processor and memory, and its sandbox (systemd.exec(5), systemd.resource-control(5)). */
export const desiredDropIns = (input: Input): ReadonlyArray<Resource<DesiredDropIn>> =>
  input.config.relays.map((relay) => ({
    address: dropInAddress(relay.name),
    scope: relayScope(relay.name),
    needs: [`relay/${relay.name}/account`],
    value: { relay: relay.name, content: contentOf(relay, input) }
  }))

/**
 * All relays are in a slice of their own, to be seen and limited together; systemd makes it when the first relay starts,
 * so it needs no file.
 */
const contentOf = (relay: ResolvedRelay, { config, facts }: Input): string => {
  const most = memoryMax({ memoryBytes: facts.memory, relayCount: config.relays.length, torrc: relay.torrc })
  const lines = [
    OWNED_HEADER,
    "[Service]",
    "Slice=patela.slice",
    `CPUAffinity=${cpuOf(relay.slot, facts.cpus)}`,
    `MemoryMax=${most ?? "infinity"}`,
    ...SANDBOX
  ]
  return `${lines.join("\n")}\n`
}
