import type { NodeFamily } from "../family/NodeFamily.ts"
import type { Ipv4 } from "../net/Ipv4.ts"
import type { Ipv6 } from "../net/Ipv6.ts"
import type { RsaFingerprint } from "../relay/Fingerprint.ts"
import type { RelayName } from "../relay/RelayName.ts"
import type { Slot } from "../relay/Slot.ts"
import { metricsPortOf } from "../relay/Slot.ts"
import { renderTorrc } from "./render.ts"
import type { Torrc, TorrcLine } from "./Torrc.ts"
import { settingOf } from "./Torrc.ts"

/** The first line of every file that Patela writes: a file that begins with it is Patela's to change and remove. */
export const OWNED_HEADER = "# Managed by patela: changes are overwritten"

/** The name servers of relays on a node, in the format of resolv.conf(5): the value of tor's `ServerDNSResolvConfFile`. */
export const RESOLVER_FILE = "/etc/patela/resolv.conf"

/** What the server allocated to a relay and the node that it runs on. */
export interface ManagedRelay {
  readonly name: RelayName
  /** 1 to 19 letters and digits; without it the relay's name, which fits tor's rule. */
  readonly nickname?: string
  readonly ipv4: Ipv4
  readonly ipv6: Ipv6 | null
  readonly orPort: number
  readonly dirPort: number | null
  readonly slot: Slot
  /** How many relays the node runs, this one included. */
  readonly relayCount: number
  /** The node's memory in bytes. */
  readonly memoryBytes: number
  /** Path of the resolver's file that tor is to read, or null for the host's own. */
  readonly resolvConf: string | null
  /** Whether relays load the GeoIP files: 35 MB more each, for statistics by country. */
  readonly geoip: boolean
  /** The family that the relay declares, and its own fingerprint, which it does not name; absent where there is none. */
  readonly family?: NodeFamily
  readonly fingerprint?: RsaFingerprint
}

const MIB = 1024 * 1024
const LEAST_QUEUE_MIB = 256
const MOST_QUEUE_MIB = 8192

/**
 * How much memory one relay may fill with queues, in MiB: half of its share of the node. The other half is for what the
 * limit does not count (relay process, TLS buffers, directory) and for the host. tor takes no less than 256 MB and never
 * chooses more than 8 GB itself, and so does this; on nodes with under 512 MiB a relay the sum exceeds that half.
 */
export const queueMebibytes = (memoryBytes: number, relayCount: number): number => {
  const half = Math.floor(memoryBytes / MIB / Math.max(1, relayCount) / 2)
  return Math.min(MOST_QUEUE_MIB, Math.max(LEAST_QUEUE_MIB, half))
}

/**
 * The lines that Patela writes into a relay's torrc whatever its layers say. `Address` and `ORPort IP:PORT` both, for
 * tor else believes what authorities saw; `SocksPort 0`, for Debian's instance defaults open one.
 */
export const managedLines = (relay: ManagedRelay): Torrc => {
  const metrics = metricsPortOf(relay.slot)
  const settings: ReadonlyArray<readonly [option: string, value: string]> = [
    ["Nickname", relay.nickname ?? relay.name],
    ["Address", relay.ipv4],
    ...relay.ipv6 === null ? [] : [["Address", `[${relay.ipv6}]`] as const],
    ["ORPort", `${relay.ipv4}:${relay.orPort}`],
    ...relay.ipv6 === null ? [] : [["ORPort", `[${relay.ipv6}]:${relay.orPort}`] as const],
    ...relay.dirPort === null ? [] : [["DirPort", `${relay.ipv4}:${relay.dirPort}`] as const],
    ["OutboundBindAddress", relay.ipv4],
    ...relay.ipv6 === null ? [] : [["OutboundBindAddress", `[${relay.ipv6}]`] as const],
    ["SocksPort", "0"],
    ["MetricsPort", `127.0.0.1:${metrics}`],
    ["MetricsPortPolicy", "accept 127.0.0.1"],
    ["MaxMemInQueues", `${queueMebibytes(relay.memoryBytes, relay.relayCount)} MB`],
    ...relay.geoip ? [] : [["GeoIPFile", "/dev/null"] as const, ["GeoIPv6File", "/dev/null"] as const],
    ...relay.resolvConf === null ? [] : [["ServerDNSResolvConfFile", relay.resolvConf] as const],
    ...(relay.family?.ids ?? []).map((id) => ["FamilyId", id] as const),
    // A line each, so that a relay that joins is a line in what `diff` shows.
    ...(relay.family?.members ?? []).filter((member) => member !== relay.fingerprint).map((member) =>
      ["MyFamily", `$${member}`] as const
    )
  ]
  return settings.map(([option, value], index) => settingOf(option, value, index + 1))
}

// The one managed option that a layer may set: its value stands instead of the computed one.
const OVERRIDABLE: ReadonlySet<string> = new Set(["MaxMemInQueues"])

/** The lines of a relay's torrc: Patela's, then those of its layers. */
export interface RelayLines<Line extends TorrcLine> {
  readonly managed: Torrc
  readonly resolved: ReadonlyArray<Line>
}

/** What of both stands: no line of a layer stands beside a managed one of the same option, whoever resolved it. */
export const settledLines = <Line extends TorrcLine>(input: RelayLines<Line>): RelayLines<Line> => {
  const chosen = new Set(input.resolved.map(({ option }) => option).filter((option) => OVERRIDABLE.has(option)))
  const managed = input.managed.filter(({ option }) => !chosen.has(option))
  const taken = new Set(managed.map(({ option }) => option))
  return { managed, resolved: input.resolved.filter(({ option }) => !taken.has(option)) }
}

/**
 * The torrc file of a relay: header, managed lines, then the resolved layers. Two calls with the same input give the same
 * bytes.
 */
export const renderRelayTorrc = (input: RelayLines<TorrcLine>): string => {
  const { managed, resolved } = settledLines(input)
  return `${OWNED_HEADER}\n${renderTorrc(managed)}${renderTorrc(resolved)}`
}
