import { Effect } from "effect"
import { DebianRoot, type RootKind } from "./DebianRoot.ts"
import { FarSide } from "./FarSide.ts"
import { sweepLeftovers } from "./Leftovers.ts"
import type { MachineRoom } from "./MachineRoom.ts"
import { type Bind, NodeContainer } from "./NodeContainer.ts"
import { ServerSide } from "./ServerSide.ts"
import { nodeSocketFolder, Swtpm } from "./Swtpm.ts"

/** A machine room whose node is a container. */
export interface Rig extends MachineRoom<NodeContainer> {
  readonly tpm: Swtpm
}

export interface RigOptions {
  readonly hostname?: string
  /** What the node boots; "node" unless told. */
  readonly root?: RootKind
  /** What the node sees of this machine, besides its TPM's sockets. */
  readonly binds?: ReadonlyArray<Bind>
  /** TCP ports on which both sides watch for connections. */
  readonly observedPorts?: ReadonlyArray<number>
  /** "down", unless told: as an unconfigured link of a real machine is. */
  readonly relayLink?: "up" | "down"
  readonly bootArguments?: ReadonlyArray<string>
  readonly bootedWhen?: "running" | "basic"
}

export const Rig = {
  /** Everything but power: call `boot`. Needs root, scripts/setup.sh and the live clock. */
  make: Effect.fnUntraced(function*(options: RigOptions = {}) {
    yield* sweepLeftovers
    const ports = options.observedPorts ?? [80, 443, 9001]
    const { root, server, far, tpm } = yield* Effect.all({
      root: DebianRoot.find(options.root),
      server: ServerSide.make(ports),
      far: FarSide.make({ ports, relayLink: options.relayLink ?? "down" }),
      tpm: Swtpm.make()
    }, { concurrency: "unbounded" })
    const node = yield* NodeContainer.make({
      root,
      hostname: options.hostname ?? "node",
      binds: [{ source: tpm.socketFolder, target: nodeSocketFolder, writable: true }, ...options.binds ?? []],
      bootArguments: options.bootArguments ?? [],
      bootedWhen: options.bootedWhen ?? "running",
      plugIn: (leader) => Effect.andThen(server.plugIn(leader), far.plugIn(leader))
    })
    const rig: Rig = {
      server,
      far,
      tpm,
      node,
      boot: Effect.andThen(tpm.powerOn, node.boot),
      powerOff: Effect.andThen(node.powerOff, tpm.powerOff)
    }
    return rig
  })
}
