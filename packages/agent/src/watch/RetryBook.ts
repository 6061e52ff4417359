import type { ResourceAddress } from "@patela/domain/reconciler/Resource"
import type { Hold } from "../converge/Hold.ts"
import type { PassResult } from "../pass/Pass.ts"

/** The first wait after a failure, and the longest, in milliseconds. */
const FIRST = 500
const LONGEST = 60_000

/** A wait is this much shorter or longer, at random, so that many resources or nodes do not try in step. */
const JITTER = 0.2

/** So many corrections of one resource in so many milliseconds are a contest with somebody else. */
const CONTEST = 5
const WINDOW = 10 * 60_000

/** Between two corrections of a contended resource. */
const SLOW = 60_000

interface Retry {
  readonly kind: string
  readonly failures: number
  /** Milliseconds since 1970. */
  readonly dueAt: number
  readonly why: string
}

interface Corrections {
  readonly kind: string
  readonly times: ReadonlyArray<number>
}

/** What a watching agent remembers of resources that do not stay, or do not become, as they should be. A value. */
export interface RetryBook {
  readonly retries: ReadonlyMap<ResourceAddress, Retry>
  readonly corrections: ReadonlyMap<ResourceAddress, Corrections>
}

export const emptyBook: RetryBook = { retries: new Map(), corrections: new Map() }

/** A new configuration is a new try for everything. Pure. */
export const forgetRetries = (book: RetryBook): RetryBook => ({ ...book, retries: new Map() })

const recent = (times: ReadonlyArray<number>, now: number): ReadonlyArray<number> =>
  times.filter((time) => now - WINDOW < time && time <= now)

/** The resources that somebody else keeps changing. Pure. */
export const contendedIn = ({ corrections }: RetryBook, now: number): ReadonlyArray<ResourceAddress> =>
  [...corrections].filter(([, { times }]) => recent(times, now).length >= CONTEST).map(([address]) => address)

/** Holds what failed a short while ago, and what is contended and was corrected within the last minute. Pure. */
export const holdBy = (book: RetryBook, now: number): Hold => ({ address }) => {
  const retry = book.retries.get(address)
  // What a clock that was set back says of the future is not believed.
  if (retry !== undefined && retry.dueAt > now && retry.dueAt - now <= LONGEST * (1 + JITTER)) return retry.why
  const times = recent(book.corrections.get(address)?.times ?? [], now)
  const last = times.at(-1)
  if (times.length < CONTEST || last === undefined || now - last >= SLOW) return undefined
  return `is contended: it was corrected ${times.length} times in ten minutes and something keeps changing it; it is ` +
    "corrected once a minute now"
}

/** Milliseconds until the next try after so many failures. */
const waitAfter = (failures: number, random: () => number): number =>
  Math.min(LONGEST, FIRST * 2 ** Math.min(failures - 1, 20)) * (1 - JITTER + 2 * JITTER * random())

/** The book after a pass. `random` is in [0, 1). Pure. */
export const afterPass = (
  book: RetryBook,
  { convergence, looked }: Pick<PassResult, "convergence" | "looked">,
  now: number,
  random: () => number
): RetryBook => {
  const held = new Set(convergence.held.map(({ address }) => address))
  const blocked = new Set(convergence.blocked.map(({ address }) => address))
  const retries = new Map<ResourceAddress, Retry>()
  for (const [address, retry] of book.retries) {
    if (!looked.has(retry.kind)) retries.set(address, retry)
    // What was looked at and did not fail again is done with, unless it was not tried: then it waits anew when its time
    // had come, for to look again at once would find it waiting still.
    else if (held.has(address) || blocked.has(address)) {
      retries.set(address, retry.dueAt > now ? retry : { ...retry, dueAt: now + waitAfter(retry.failures, random) })
    }
  }
  for (const { address, kind, message } of convergence.failures) {
    const failures = (book.retries.get(address)?.failures ?? 0) + 1
    retries.set(address, { kind, failures, dueAt: now + waitAfter(failures, random), why: message })
  }
  const corrections = new Map<ResourceAddress, Corrections>()
  for (const [address, { kind, times }] of book.corrections) {
    const left = recent(times, now)
    if (left.length > 0) corrections.set(address, { kind, times: left })
  }
  for (const { address, kind, reason } of convergence.changes) {
    if (reason !== "drift") continue
    const times = corrections.get(address)?.times ?? []
    corrections.set(address, { kind, times: [...times, now].slice(-CONTEST * 2) })
  }
  return { retries, corrections }
}

/** When something is to be tried again, and which kinds that concerns; undefined where nothing waits. Pure. */
export const nextDue = (
  { corrections, retries }: RetryBook,
  held: ReadonlySet<ResourceAddress>,
  now: number
): { readonly at: number; readonly kinds: ReadonlySet<string> } | undefined => {
  const waits = [
    ...[...retries.values()].map(({ dueAt, kind }) => ({ at: dueAt, kind })),
    ...[...corrections].flatMap(([address, { kind, times }]) => {
      const last = times.at(-1)
      // A time that went by without a correction does not come again: the look of every minute will do.
      return held.has(address) && last !== undefined && last + SLOW > now ? [{ at: last + SLOW, kind }] : []
    })
  ]
  if (waits.length === 0) return undefined
  const at = Math.max(now, Math.min(...waits.map((wait) => wait.at)))
  return { at, kinds: new Set(waits.filter((wait) => wait.at <= at).map(({ kind }) => kind)) }
}
