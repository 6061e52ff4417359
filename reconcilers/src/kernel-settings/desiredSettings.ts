import type { HostFacts } from "@patela/domain/node/HostFacts"
import type { NodeConfig } from "@patela/domain/node/NodeConfig"
import type { Resource, ResourceAddress } from "@patela/domain/reconciler/Resource"
import { metricsPortOf, Slot, SLOTS } from "@patela/domain/relay/Slot"
import type { Setting } from "./Setting.ts"

/** Settings that are written and put back together. */
export interface DesiredSettings {
  readonly settings: ReadonlyArray<Setting>
}

export const NODE_SETTINGS: ResourceAddress = "node/kernel-settings"
export const LINK_SETTINGS: ResourceAddress = "node/link-settings"
export const CONNTRACK_SETTINGS: ResourceAddress = "node/conntrack-settings"

interface Input {
  readonly config: NodeConfig
  readonly facts: HostFacts
}

type Desired = (input: Input) => ReadonlyArray<Resource<DesiredSettings>>

/**
 * First of the ports that outgoing connections take, where the kernel has 32768 to 60999: each relay has 49152 of them
 * instead of 28232. They are counted by source address, which each relay has for itself, so that their number does not
 * depend on how many relays there are. It lies above the metrics ports, 10000 to 10511.
 */
const FIRST_PORT = 16_384
const LAST_PORT = 65_535

/**
 * Connections that wait to be accepted, at each listening port, where the kernel has 4096: tor asks for as many as there
 * may be. Each port has a queue of its own, so this does not depend on the number of relays either.
 */
const BACKLOG = 16_384

/** Ports, and the queue of new connections (ip-sysctl.rst). */
export const desiredNodeSettings: Desired = ({ config: { relays } }) =>
  settingsAt(
    NODE_SETTINGS,
    relays.length === 0 ? [] : [
      // First the ports that no connection may take, then the ports that it may: a connection that happened to have a
      // relay's port as its own would keep the relay from listening there.
      {
        path: "net/ipv4/ip_local_reserved_ports",
        wish: {
          is: "ports",
          ports: [
            { first: metricsPortOf(Slot.make(0)), last: metricsPortOf(Slot.make(SLOTS - 1)) },
            ...relays.flatMap(({ dir_port, or_port }) => dir_port === null ? [or_port] : [or_port, dir_port])
              .map((port) => ({ first: port, last: port }))
          ]
        }
      },
      { path: "net/ipv4/ip_local_port_range", wish: { is: "range", low: FIRST_PORT, high: LAST_PORT } },
      { path: "net/core/somaxconn", wish: { is: "at least", value: BACKLOG } }
    ]
  )

/**
 * Of the relay link: no IPv6 router may write addresses and routes, for they go to the main table; and what comes in for
 * a relay is not dropped because the main table would answer by another link, as a strict reverse-path filter does.
 */
export const desiredLinkSettings: Desired = ({ config: { relays }, facts: { relayInterface } }) =>
  settingsAt(
    LINK_SETTINGS,
    relays.length === 0 || !relayInterface.found ? [] : [
      { path: `net/ipv6/conf/${relayInterface.name}/accept_ra`, wish: { is: "exactly", value: 0 } },
      {
        path: `net/ipv4/conf/${relayInterface.name}/rp_filter`,
        wish: { is: "not strict", all: "net/ipv4/conf/all/rp_filter" }
      }
    ]
  )

/** Flows of one relay: Debian's unit lets it have 65536 sockets, and a closed one is tracked for two minutes more. */
const FLOWS = 2 * 65_536

/** Bytes that the kernel takes for a tracked flow: 256 and its extensions (struct nf_conn on x86-64). */
const FLOW_BYTES = 320

/** Source NAT has every flow tracked. All flows together may take an eighth of the memory. */
const MEMORY_SHARE = 8

/** The kernel makes its hash table of whole pages, 512 buckets each. */
const PAGE = 512

/**
 * How many flows the kernel tracks: 131072 a relay, 42 MB if they all are there. The hash table is as long, as the kernel
 * makes it by itself (nf_conntrack-sysctl.rst), 8 bytes a bucket; else look-ups become slow.
 */
export const desiredConntrackSettings: Desired = ({ config: { relays }, facts: { memory } }) => {
  const most = Math.floor(memory / MEMORY_SHARE / FLOW_BYTES / PAGE) * PAGE
  const value = Math.min(relays.length * FLOWS, most)
  return settingsAt(
    CONNTRACK_SETTINGS,
    relays.length === 0 ? [] : [
      { path: "net/netfilter/nf_conntrack_buckets", wish: { is: "at least", value } },
      { path: "net/netfilter/nf_conntrack_max", wish: { is: "at least", value } }
    ]
  )
}

const settingsAt = (
  address: ResourceAddress,
  settings: ReadonlyArray<Setting>
): ReadonlyArray<Resource<DesiredSettings>> =>
  settings.length === 0 ? [] : [{ address, scope: "node", needs: [], value: { settings } }]
