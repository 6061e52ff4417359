import { HEARTBEAT_MILLIS } from "@patela/domain/api/ConfigEvent"

/** Between two events of one stream: a fleet that boots changes the configuration hundreds of times in a second. */
export const BETWEEN_MILLIS = 250

/** Heartbeats that are due within so long of each other are made together; the later of them come early. */
export const TOGETHER_MILLIS = 100

/** What a stream has to do. */
export type Turn = "end" | "heartbeat" | "event" | "wait"

/** One stream. Times are Unix, in milliseconds. */
export interface Standing {
  /** The last generation that it told, -1 before the first. */
  told: number
  /** When the next event may be. */
  quietUntil: number
  /** When the next heartbeat must be. */
  due: number
  ended: boolean
  /** Has it look at what there is to do, where it waits for that. */
  wake: (() => void) | undefined
}

/**
 * When which stream has something to say. Thousands of them wait in here: each as one small object, for a timer and a
 * fiber each would be most of what a stream takes in memory.
 */
export class EventSchedule {
  readonly #all = new Set<Standing>()
  // What follows is in the order of its times, for each time is the same span after its being put in.
  readonly #beating = new Set<Standing>()
  readonly #quiet = new Set<Standing>()
  #newest = -1

  get newest(): number {
    return this.#newest
  }

  open(now: number): Standing {
    const stream = { told: -1, quietUntil: now, due: now + HEARTBEAT_MILLIS, ended: false, wake: undefined }
    this.#all.add(stream)
    this.#beating.add(stream)
    return stream
  }

  close(stream: Standing): void {
    this.#all.delete(stream)
    this.#beating.delete(stream)
    this.#quiet.delete(stream)
  }

  end(stream: Standing): void {
    stream.ended = true
    stream.wake?.()
  }

  /** There is a generation, newer than the one before or not. */
  announce(generation: number): void {
    if (generation <= this.#newest) return
    this.#newest = generation
    for (const { wake } of this.#all) wake?.()
  }

  turn({ told, quietUntil, due, ended }: Standing, now: number): Turn {
    if (ended) return "end"
    // A heartbeat that is due goes first: where there is always something to tell, it would never be its turn.
    if (due <= now + TOGETHER_MILLIS) return "heartbeat"
    return this.#newest > told && quietUntil <= now ? "event" : "wait"
  }

  /** The stream tells the newest generation. */
  told(stream: Standing, now: number): number {
    stream.told = this.#newest
    stream.quietUntil = now + BETWEEN_MILLIS
    this.#quiet.delete(stream)
    this.#quiet.add(stream)
    return this.#newest
  }

  /** The stream had its heartbeat. */
  beaten(stream: Standing, now: number): void {
    stream.due = now + HEARTBEAT_MILLIS
    this.#beating.delete(stream)
    this.#beating.add(stream)
  }

  /** When `wake` is to be called next, undefined where nothing is waited for. */
  next(): number | undefined {
    const [beat] = this.#beating
    const [quiet] = this.#quiet
    // Whoever told something later told nothing older.
    const event = quiet !== undefined && quiet.told < this.#newest ? quiet.quietUntil : undefined
    if (beat === undefined || event === undefined) return beat?.due ?? event
    return Math.min(beat.due, event)
  }

  /** Has the streams look for which something is to be done by now. */
  wake(now: number): void {
    for (const stream of this.#beating) {
      if (stream.due > now + TOGETHER_MILLIS) break
      this.#beating.delete(stream)
      stream.wake?.()
    }
    for (const stream of this.#quiet) {
      if (stream.quietUntil > now) break
      this.#quiet.delete(stream)
      stream.wake?.()
    }
  }
}
