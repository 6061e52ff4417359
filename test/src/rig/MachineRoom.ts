import type { Effect } from "effect"
import type { FarSide } from "./FarSide.ts"
import type { BootFault, Machine } from "./Machine.ts"
import type { ServerSide } from "./ServerSide.ts"

/** A whole machine room: the management network, the internet, and one diskless node with a TPM between them. */
export interface MachineRoom<Node extends Machine = Machine> {
  readonly server: ServerSide
  readonly far: FarSide
  readonly node: Node
  /** Gives TPM and node power; returns the milliseconds until systemd was as far as was asked for. */
  readonly boot: Effect.Effect<number, BootFault>
  /** Cuts the power of node and TPM. What the TPM keeps is all that is left. */
  readonly powerOff: Effect.Effect<void>
}
