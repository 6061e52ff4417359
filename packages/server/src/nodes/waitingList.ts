/** How many machines may wait to be enabled, unless PATELA_WAITING_LIST says otherwise. */
export const DEFAULT_WAITING = 1000

/** A machine that nobody enabled for so long makes room when room is needed. */
export const WAITING_DAYS = 30

const DAY = 24 * 60 * 60 * 1000

/** The time, as the database keeps it, before which a waiting machine's last sign of life is too old. */
export const waitingExpiry = (nowMillis: number): string => new Date(nowMillis - WAITING_DAYS * DAY).toISOString()

/** Room is needed only when the list is full: until then an old machine may still be wanted. */
export const roomNeeded = (waiting: number, bound: number): boolean => waiting >= bound
