/** How many machines may wait to be enabled, unless PATELA_WAITING_LIST says otherwise. */
export const DEFAULT_WAITING = 1000

/** For how many days a machine is listed that does not ask any more, unless PATELA_WAITING_DAYS says otherwise. */
export const DEFAULT_DAYS = 30

const DAY = 24 * 60 * 60 * 1000

/** A machine that waits asks every three seconds; what made itself up does not come back. */
const QUIET = 10 * 60 * 1000

const before = (nowMillis: number, span: number): string => new Date(Math.max(0, nowMillis - span)).toISOString()

/** The time, as the database keeps it, before which a waiting machine's last sign of life is too old. */
export const waitingExpiry = (nowMillis: number, days: number): string => before(nowMillis, days * DAY)

/** The same for machines that proved nothing, where the list is full. */
export const quietSince = (nowMillis: number): string => before(nowMillis, QUIET)

/** Room is needed only when the list is full: until then who is quiet may still be wanted. */
export const roomNeeded = (waiting: number, bound: number): boolean => waiting >= bound
