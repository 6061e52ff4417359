import type { HardwareSpecs } from "@patela/domain/node/HardwareSpecs"
import { SLOTS } from "@patela/domain/relay/Slot"
import type { NodeRow } from "../nodes/NodeRow.ts"

/** What one relay needs, in bytes, unless PATELA_RELAY_MEMORY_BOUND says otherwise: 1 GiB. */
export const DEFAULT_MEMORY_BOUND = 1024 ** 3

/** How many relays this hardware carries: one for each `memoryBound` bytes, at most one for each CPU. */
export const relaysByHardware = (
  { memory, n_cpus }: Pick<HardwareSpecs, "n_cpus" | "memory">,
  memoryBound: number
): number => Math.min(Math.floor(memory / memoryBound), n_cpus, SLOTS)

/**
 * How many relays a node should have, null where its hardware is not known: what that carries, `most` at most. The
 * operator's own number for the node goes before both.
 */
export const relayCount = (
  { relays_override, relays_by_hardware }: Pick<NodeRow, "relays_override" | "relays_by_hardware">,
  most: number
): number | null => relays_override ?? (relays_by_hardware === null ? null : Math.min(relays_by_hardware, most))
