import type { RelayName } from "@patela/domain/relay/RelayName"
import type { InstanceTorrc } from "./InstanceReader.ts"
import type { LoadedTorrc } from "./LoadedTorrc.ts"

/** An instance of tor on the host. */
export interface ObservedUnit {
  readonly name: RelayName
  readonly unit: string
  /** systemd's ActiveState, and SubState. */
  readonly active: string
  readonly sub: string
  /** On disk; undefined where there is none. */
  readonly torrc: InstanceTorrc | undefined
  /** What the ledger says that it has loaded; undefined where Patela did not start it. */
  readonly loaded: LoadedTorrc | undefined
  /** When it began to start, milliseconds since 1970; asked only of a running unit that the ledger does not know. */
  readonly startedAt: number | undefined
}

export type UnitStep = "none" | "start" | "adopt" | "reload" | "restart"

export const isRunning = ({ active }: ObservedUnit): boolean => active === "active" || active === "reloading"

/** Patela started it, or wrote its torrc: only then may it be stopped. */
export const isManaged = ({ loaded, torrc }: ObservedUnit): boolean => loaded !== undefined || torrc?.managed === true

/**
 * What a wanted unit needs. One that Patela did not start is adopted if it began to start after its torrc was last
 * changed, for then it has read it; else it is restarted, for nobody knows what it has read.
 */
export const unitStepOf = (unit: ObservedUnit): UnitStep => {
  const { loaded, startedAt, torrc } = unit
  if (!isRunning(unit)) return "start"
  if (torrc === undefined) return "none"
  if (loaded === undefined) return startedAt !== undefined && startedAt > torrc.changedAt ? "adopt" : "restart"
  if (loaded.digest === torrc.content.digest) return "none"
  return loaded.restartDigest === torrc.content.restartDigest ? "reload" : "restart"
}
