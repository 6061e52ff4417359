import type { HardwareSpecs } from "@patela/domain/node/HardwareSpecs"
import { SLOTS } from "@patela/domain/relay/Slot"

/** What one relay needs, in bytes, unless PATELA_RELAY_MEMORY_BOUND says otherwise: 1 GiB. */
export const DEFAULT_MEMORY_BOUND = 1024 ** 3

/**
 * How many relays a node of this hardware should have: one for each `memoryBound` bytes, at most one for each CPU. The
 * operator's own number for the node goes before both. Never more than a node has slots.
 */
export const relayCount = (
  specs: Pick<HardwareSpecs, "n_cpus" | "memory">,
  memoryBound: number,
  override: number | null
): number => Math.min(override ?? Math.min(Math.floor(specs.memory / memoryBound), specs.n_cpus), SLOTS)
