import { UID_BASE } from "@patela/domain/relay/Slot"
import { Effect } from "effect"
import { beyond, management } from "../rig/Addresses.ts"
import { found, instead, waitFor } from "../rig/Deadline.ts"
import type { MachineRoom } from "../rig/MachineRoom.ts"
import type { Mission } from "./Mission.ts"
import { fault } from "./Mission.ts"
import type { RelayOnRecord } from "./RelayOnRecord.ts"

/** What the node itself shows of one relay; nothing here is Patela's word. */
export interface RelaySeen {
  readonly name: string
  /** systemd's ActiveState of tor@NAME. */
  readonly unit: string
  /** As tor wrote them in its data directory. */
  readonly rsa: string
  readonly ed25519: string
  /** Sources that a listener beyond the gateways saw of connections by the relay's UID. */
  readonly sourceV4: string
  readonly sourceV6: string
}

/** Port that both sides of the rig watch. */
const PORT = 443

/** Opens a connection and closes it at once. bash can, and is there at once where processors are emulated. */
const CONNECT = `exec 3<>"/dev/tcp/$1/$2"`

/**
 * Connects from the node as a user to a place beyond every gateway and says which source was seen there, and on which
 * side. Local ports are counted up, so that a sighting is known to be of this very connection.
 */
const probe = Effect.fnUntraced(function*(mission: Mission<MachineRoom>, user: number, host: string) {
  const before = {
    far: (yield* mission.rig.far.observer.seen).length,
    server: (yield* mission.rig.server.observer.seen).length
  }
  yield* mission.node.execOk(["timeout", "40", "bash", "-c", CONNECT, "connect", host, String(PORT)], { user })
  const ofThis = (side: "far" | "server") =>
    Effect.map(
      mission.rig[side].observer.seen,
      (all) => all.slice(before[side]).find((each) => each.localAddress === host)
    )
  return yield* waitFor<{ readonly side: "far" | "server"; readonly source: string }, never, never>(
    `the connection of uid ${user} to ${host} to be seen`,
    Effect.gen(function*() {
      const far = yield* ofThis("far")
      if (far !== undefined) return found({ side: "far", source: far.remoteAddress })
      const server = yield* ofThis("server")
      if (server !== undefined) return found({ side: "server", source: server.remoteAddress })
      return instead("nobody saw it")
    })
  )
}, fault)

/** What a relay should be seen as that runs as the server has it on record. */
export const sightOf = ({ fingerprint, ip_v4, ip_v6, name }: RelayOnRecord): RelaySeen => ({
  name,
  unit: "active",
  rsa: fingerprint?.rsa ?? "none",
  ed25519: fingerprint?.ed25519 ?? "none",
  sourceV4: ip_v4,
  sourceV6: ip_v6 ?? "none"
})

/** Looks at one relay on the node and from the far side. */
export const seeRelay = Effect.fnUntraced(function*(mission: Mission<MachineRoom>, relay: RelayOnRecord) {
  const { node } = mission
  const state = `/var/lib/tor-instances/${relay.name}`
  const unit = yield* node.exec(["systemctl", "is-active", `tor@${relay.name}.service`])
  const [rsa = "", ed25519 = ""] = (yield* node.execOk(["cat", `${state}/fingerprint`, `${state}/fingerprint-ed25519`]))
    .trim().split("\n").map((line) => line.split(" ")[1] ?? "")
  const v4 = yield* probe(mission, UID_BASE + relay.slot, beyond.v4)
  const v6 = yield* probe(mission, UID_BASE + relay.slot, beyond.v6)
  const text = ({ side, source }: typeof v4) => side === "far" ? source : `${source} by the management link`
  return {
    name: relay.name,
    unit: unit.stdout.trim(),
    rsa,
    ed25519,
    sourceV4: text(v4),
    sourceV6: text(v6)
  } satisfies RelaySeen
}, fault)

/** Which way root's own connections leave, IPv4 and IPv6. */
export const seeRoot = Effect.fnUntraced(function*(mission: Mission<MachineRoom>) {
  return [yield* probe(mission, 0, beyond.v4), yield* probe(mission, 0, beyond.v6)]
})

/** What `seeRoot` gives where root keeps the management path. */
export const managementPath: ReadonlyArray<{ readonly side: "far" | "server"; readonly source: string }> = [
  { side: "server", source: management.nodeV4 },
  { side: "server", source: management.nodeV6 }
]
