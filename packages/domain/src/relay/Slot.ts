import { Schema } from "effect"

/** How many relays one node can hold. UIDs, marks and metrics ports are counted from the slot, so it is bounded. */
export const SLOTS = 512

/** A relay's small number on its node, from 0; it stays the same for the relay's life. */
export const Slot = Schema.Int.pipe(
  Schema.check(Schema.isBetween({ minimum: 0, maximum: SLOTS - 1 })),
  Schema.brand("Slot")
)
export type Slot = typeof Slot.Type

/** First UID and GID of relays. Debian leaves 30000 to 59999 to the administrator (Debian policy, section 9.2.2). */
export const UID_BASE = 50_000

/** Last UID and GID that a slot can have, for ranges in routing rules. */
export const UID_LAST = UID_BASE + SLOTS - 1

/** Firewall mark of slot 0 is this plus one; the upper half tells Patela's marks from anybody else's. */
export const MARK_BASE = 0x0802_0000

/**
 * Firewall mark of packets that no process sent, as a reset, and that have an address of relays: it sends them where those of
 * relays go, and says no more, for several relays may have the address.
 */
export const UNSENT_MARK = MARK_BASE

/** The bits of a mark that say that it is Patela's. */
export const MARK_MASK = 0xffff_0000

/** UID and GID of the relay in a slot. */
export const uidOf = (slot: Slot): number => UID_BASE + slot

/** Firewall mark of the packets of the relay in a slot. */
export const markOf = (slot: Slot): number => MARK_BASE + slot + 1

/** The CPU that the relay in a slot runs on. */
export const cpuOf = (slot: Slot, cpus: number): number => slot % Math.max(1, cpus)

/** TCP port on 127.0.0.1 where the relay in a slot serves its metrics. */
export const metricsPortOf = (slot: Slot): number => 10_000 + slot
