/** So many at once, and as many again in each minute, evenly. */
export interface Rate {
  readonly perMinute: number
}

interface Bucket {
  readonly level: number
  readonly at: number
}

const MINUTE = 60_000

/** What a bucket holds at a time, in requests; one that is not known yet is full. */
const levelAt = (bucket: Bucket | undefined, rate: Rate, nowMillis: number): number => {
  if (bucket === undefined) return rate.perMinute
  // A clock that was set back refills nothing, and does not empty the bucket either.
  const passed = Math.max(0, nowMillis - bucket.at)
  return Math.min(rate.perMinute, bucket.level + passed * rate.perMinute / MINUTE)
}

/**
 * A token bucket for each key, in memory. At most `most` keys are known: beyond that, those that are full again are
 * forgotten, which changes nothing, and then the one that was asked for first.
 */
export class TokenBuckets {
  readonly #rate: Rate
  readonly #most: number
  readonly #buckets = new Map<string, Bucket>()

  constructor(rate: Rate, most: number) {
    this.#rate = rate
    this.#most = most
  }

  get size(): number {
    return this.#buckets.size
  }

  /** How many milliseconds from now on a request of this key would pass: 0 is now. Takes nothing. */
  wait(key: string, nowMillis: number): number {
    const level = levelAt(this.#buckets.get(key), this.#rate, nowMillis)
    return level >= 1 ? 0 : Math.ceil((1 - level) * MINUTE / this.#rate.perMinute)
  }

  /** Takes one, where `wait` is 0. */
  take(key: string, nowMillis: number): void {
    const level = levelAt(this.#buckets.get(key), this.#rate, nowMillis)
    this.#buckets.delete(key)
    if (this.#buckets.size >= this.#most) this.#forget(nowMillis)
    this.#buckets.set(key, { level: Math.max(0, level - 1), at: nowMillis })
  }

  #forget(nowMillis: number): void {
    for (const [key, bucket] of this.#buckets) {
      if (levelAt(bucket, this.#rate, nowMillis) >= this.#rate.perMinute) this.#buckets.delete(key)
    }
    for (const key of this.#buckets.keys()) {
      if (this.#buckets.size < this.#most) return
      this.#buckets.delete(key)
    }
  }
}
