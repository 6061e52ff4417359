import { CLOCK_TOLERANCE, clockStandingOf, differenceText } from "../nodes/clockStanding.ts"
import type { NodeRow } from "../nodes/NodeRow.ts"
import { type Finding, fine, warning } from "./Finding.ts"

const CHECK = "node clocks"

/** Named of what may be hundreds. */
const NAMED = 10

/** Whether the clocks of the enabled nodes agree with the server's, as far as they said. Pure. */
export const nodeClockFinding = (
  nodes: ReadonlyArray<Pick<NodeRow, "id" | "enabled" | "clock_ahead">>
): Finding => {
  const known = nodes.filter(({ clock_ahead, enabled }) => enabled && clock_ahead !== null)
  const off = known.flatMap(({ clock_ahead, id }) =>
    clock_ahead !== null && clockStandingOf(clock_ahead).state === "clock off"
      ? [`node ${id} (${differenceText(clock_ahead)} it)`]
      : []
  )
  if (off.length === 0) {
    return fine(CHECK, `${known.length} nodes said their time, which is within ${CLOCK_TOLERANCE} s of the server's`)
  }
  const more = off.length > NAMED ? ` and ${off.length - NAMED} more` : ""
  return warning(
    CHECK,
    `${off.length} of ${known.length} are more than ${CLOCK_TOLERANCE} s off the server's: ${
      off.slice(0, NAMED).join(", ")
    }${more}`,
    off.length > 1 && off.length === known.length
      ? "All of them are: look at the server's own clock first (timedatectl)"
      : "Have their clocks kept by NTP: tor refuses a consensus that its clock says is not of now"
  )
}
