import { Effect, type Scope } from "effect"
import type { CommandNotStarted } from "./Command.ts"
import { ContainerMachine, type ContainerMachineOptions } from "./ContainerMachine.ts"
import type { DeadlinePassed } from "./Deadline.ts"
import { DebianRoot, type RootKind } from "./DebianRoot.ts"
import { FarSide } from "./FarSide.ts"
import { sweepLeftovers } from "./Leftovers.ts"
import type { MachineRoom } from "./MachineRoom.ts"
import type { NodeContainer } from "./NodeContainer.ts"
import { ServerSide } from "./ServerSide.ts"

/** A machine room whose nodes are containers. */
export interface Rig extends ContainerMachine, MachineRoom<NodeContainer> {
  /** One more machine in the same room, off. */
  readonly another: (
    options: ContainerMachineOptions
  ) => Effect.Effect<ContainerMachine, CommandNotStarted | DeadlinePassed, Scope.Scope>
}

export interface RigOptions extends Partial<ContainerMachineOptions> {
  /** What the node boots; "node" unless told. */
  readonly root?: RootKind
  /** TCP ports on which both sides watch for connections. */
  readonly observedPorts?: ReadonlyArray<number>
  /** "down", unless told: as an unconfigured link of a real machine is. */
  readonly relayLink?: "up" | "down"
}

export const Rig = {
  /** Everything but power: call `boot`. Needs root, scripts/setup.sh and the live clock. */
  make: Effect.fnUntraced(function*(options: RigOptions = {}) {
    yield* sweepLeftovers
    const ports = options.observedPorts ?? [80, 443, 9001]
    const { root, server, far } = yield* Effect.all({
      root: DebianRoot.find(options.root),
      server: ServerSide.make(ports),
      far: FarSide.make({ ports, relayLink: options.relayLink ?? "down" })
    }, { concurrency: "unbounded" })
    let places = 0
    const another = (options: ContainerMachineOptions) =>
      Effect.suspend(() => ContainerMachine.make({ root, server, far, place: ++places }, options))
    const rig: Rig = { server, far, another, ...yield* another({ ...options, hostname: options.hostname ?? "node" }) }
    return rig
  })
}
