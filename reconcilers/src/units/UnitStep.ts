import type { RelayName } from "@patela/domain/relay/RelayName"
import type { InstanceTorrc } from "./InstanceReader.ts"
import type { UnitEntry } from "./UnitLedger.ts"

/** An instance of tor on the host. */
export interface ObservedUnit {
  readonly name: RelayName
  readonly unit: string
  /** systemd's ActiveState, and SubState. */
  readonly active: string
  readonly sub: string
  /** On disk; undefined where there is none. */
  readonly torrc: InstanceTorrc | undefined
  /** What the ledger says that it was started with, or tried with; undefined where Patela did not start it. */
  readonly loaded: UnitEntry | undefined
  /** When it began to start, milliseconds since 1970; asked only of a running unit that the ledger is not sure of. */
  readonly startedAt: number | undefined
}

export type UnitStep = "none" | "start" | "adopt" | "reload" | "restart"

export const isRunning = ({ active }: ObservedUnit): boolean => active === "active" || active === "reloading"

/** Patela started it, or wrote its torrc: only then may it be stopped. */
export const isManaged = ({ loaded, torrc }: ObservedUnit): boolean => loaded !== undefined || torrc?.managed === true

/** The ledger knows what the unit runs with, so that when it began to start is no matter. */
export const isSure = (entry: UnitEntry | undefined): entry is UnitEntry =>
  entry !== undefined && entry.tried === undefined

/**
 * What a wanted unit needs. One that Patela did not see start is adopted if it began to start after its torrc and drop-in
 * were last changed, for then it has read them; else it is restarted, for nobody knows what it has read. A drop-in holds
 * for a process from its start alone. One that is missing is no reason for anything: its own kind puts it back.
 */
export const unitStepOf = (unit: ObservedUnit): UnitStep => {
  const { loaded, startedAt, torrc } = unit
  if (!isRunning(unit)) return "start"
  if (torrc === undefined) return "none"
  if (!isSure(loaded)) return startedAt !== undefined && startedAt > torrc.changedAt ? "adopt" : "restart"
  if (hasOtherDropIn(loaded, torrc)) return "restart"
  if (loaded.digest === torrc.content.digest) return "none"
  return loaded.restartDigest === torrc.content.restartDigest ? "reload" : "restart"
}

/** The drop-in on disk is another than the unit was started with. */
export const hasOtherDropIn = (loaded: UnitEntry, { content }: InstanceTorrc): boolean =>
  content.dropIn !== undefined && content.dropIn !== loaded.dropIn

/**
 * Whether a failed unit's failures are to be forgotten, and with them how often systemd may try (StartLimitBurst=): only
 * where it was not tried with this very torrc and drop-in before on this boot. Else systemd's limit is there to hold.
 */
export const isForgiven = (loaded: UnitEntry | undefined, torrc: InstanceTorrc | undefined): boolean =>
  loaded === undefined || torrc === undefined || loaded.digest !== torrc.content.digest || hasOtherDropIn(loaded, torrc)
