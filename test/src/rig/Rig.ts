import { Effect, type Scope } from "effect"
import type { CommandNotStarted } from "./Command.ts"
import type { DeadlinePassed } from "./Deadline.ts"
import { DebianRoot, type RootKind } from "./DebianRoot.ts"
import { FarSide } from "./FarSide.ts"
import { sweepLeftovers } from "./Leftovers.ts"
import { Machine, type MachineOptions } from "./Machine.ts"
import { ServerSide } from "./ServerSide.ts"

/** A whole machine room: the management network, the internet, and one diskless node with a TPM between them. */
export interface Rig extends Machine {
  readonly server: ServerSide
  readonly far: FarSide
  /** One more machine in the same room, off. */
  readonly another: (options: MachineOptions) => Effect.Effect<Machine, CommandNotStarted | DeadlinePassed, Scope.Scope>
}

export interface RigOptions extends Partial<MachineOptions> {
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
    const another = (options: MachineOptions) =>
      Effect.suspend(() => Machine.make({ root, server, far, place: ++places }, options))
    const rig: Rig = { server, far, another, ...yield* another({ ...options, hostname: options.hostname ?? "node" }) }
    return rig
  })
}
