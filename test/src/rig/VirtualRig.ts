import { Effect } from "effect"
import { links } from "./Addresses.ts"
import type { CpioEntry } from "./Cpio.ts"
import { FarSide } from "./FarSide.ts"
import { sweepLeftovers } from "./Leftovers.ts"
import type { MachineRoom } from "./MachineRoom.ts"
import { managementLink, ServerSide } from "./ServerSide.ts"
import { VirtualNode, type VirtualNodeOptions } from "./VirtualNode.ts"

/** A machine room whose node is a virtual machine. */
export type VirtualRig = MachineRoom<VirtualNode>

const NETWORK_UNIT = `[Unit]
Description=The management link of the test
After=sys-subsystem-net-devices-${links.management}.device
BindsTo=sys-subsystem-net-devices-${links.management}.device
Before=network-online.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/ip -batch /etc/rig-management-link
`

/** What an image does for its management link before an agent may run. */
const networkEntries: ReadonlyArray<CpioEntry> = [
  {
    type: "file",
    path: "etc/rig-management-link",
    mode: 0o644,
    content: Buffer.from(managementLink(1))
  },
  { type: "file", path: "etc/systemd/system/rig-network.service", mode: 0o644, content: Buffer.from(NETWORK_UNIT) },
  {
    type: "link",
    path: "etc/systemd/system/network-online.target.wants/rig-network.service",
    to: "../rig-network.service"
  }
]

export const VirtualRig = {
  /** Everything but power: call `boot`. Needs root, scripts/setup.sh and the live clock. */
  make: Effect.fnUntraced(function*(options: Omit<VirtualNodeOptions, "cards">) {
    yield* sweepLeftovers
    const ports = [80, 443, 9001]
    const server = yield* ServerSide.make(ports)
    const far = yield* FarSide.make({ ports, relayLink: "down" })
    const node = yield* VirtualNode.make({
      ...options,
      entries: [...networkEntries, ...options.entries],
      cards: [{ link: links.management, ...server }, { link: links.relay, ...far }]
    })
    const rig: VirtualRig = { server, far, node, boot: node.boot, powerOff: node.powerOff }
    return rig
  })
}
