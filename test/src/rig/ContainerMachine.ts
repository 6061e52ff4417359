import { Effect } from "effect"
import type { FarSide } from "./FarSide.ts"
import type { BootFault } from "./Machine.ts"
import { type Bind, NodeContainer } from "./NodeContainer.ts"
import type { ServerSide } from "./ServerSide.ts"
import { nodeSocketFolder, Swtpm } from "./Swtpm.ts"

/** A diskless machine as a container with a TPM of its own, plugged into both networks. */
export interface ContainerMachine {
  readonly tpm: Swtpm
  readonly node: NodeContainer
  /** Gives TPM and node power; returns the milliseconds until systemd was running. */
  readonly boot: Effect.Effect<number, BootFault>
  /** Cuts the power of node and TPM. What the TPM keeps is all that is left. */
  readonly powerOff: Effect.Effect<void>
}

export interface ContainerMachineOptions {
  readonly hostname: string
  /** What the node sees of this machine, besides its TPM's sockets. */
  readonly binds?: ReadonlyArray<Bind>
  readonly bootArguments?: ReadonlyArray<string>
  readonly bootedWhen?: "running" | "basic"
}

/** Where a machine is put. */
export interface Place {
  /** The Debian root that the machine boots. */
  readonly root: string
  readonly server: ServerSide
  readonly far: FarSide
  /** The machine's in the management network: managementAt. */
  readonly place: number
}

export const ContainerMachine = {
  /** Everything but power: call `boot`. */
  make: Effect.fnUntraced(function*({ far, place, root, server }: Place, options: ContainerMachineOptions) {
    const tpm = yield* Swtpm.make()
    const node = yield* NodeContainer.make({
      root,
      hostname: options.hostname,
      binds: [{ source: tpm.socketFolder, target: nodeSocketFolder, writable: true }, ...options.binds ?? []],
      bootArguments: options.bootArguments ?? [],
      bootedWhen: options.bootedWhen ?? "running",
      plugIn: (leader) => Effect.andThen(server.plugIn(place)(leader), far.plugIn(leader))
    })
    const machine: ContainerMachine = {
      tpm,
      node,
      boot: Effect.andThen(tpm.powerOn, node.boot),
      powerOff: Effect.andThen(node.powerOff, tpm.powerOff)
    }
    return machine
  })
}
