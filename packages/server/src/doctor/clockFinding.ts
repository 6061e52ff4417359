import { CLOCK_TOLERANCE, differenceText } from "../nodes/clockStanding.ts"
import { type Finding, fine, warning, wrong } from "./Finding.ts"

/** Two servers on one database may differ so much, in milliseconds. */
const TOLERANCE = 1000 * CLOCK_TOLERANCE

/** Whether this machine's clock is behind the newest time (UTC, ISO 8601) in the database, which some clock once said. */
export const clockFinding = (newest: string | null, now: number): Finding => {
  const written = newest === null ? Number.NaN : Date.parse(newest)
  if (Number.isNaN(written) || written <= now + TOLERANCE) {
    return fine("clock", "it is past all that the database holds")
  }
  const behind = Math.round((written - now) / 1000)
  return wrong(
    "clock",
    `it is ${behind} s behind the newest time in the database (${newest}): tokens and certificates are judged by it`,
    "Set this machine's clock right (timedatectl); where it is right, it was ahead when that was written, which passes"
  )
}

/** Whether the database's machine says the same time as this one; `ahead` is seconds. Patela's times are this one's. */
export const databaseClockFinding = (ahead: number): Finding =>
  Math.abs(ahead) <= CLOCK_TOLERANCE
    ? fine("clock", "it agrees with that of the database's machine")
    : warning(
      "clock",
      `that of the database's machine is ${differenceText(ahead)} this one's`,
      "One of the two is wrong: see timedatectl on both"
    )
