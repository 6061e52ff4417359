/** The newest entries of a kind, by key: where there are `most`, the one that came first makes room for another. */
export class Newest<Value> {
  readonly #entries = new Map<string, Value>()
  readonly #most: number
  readonly #dropped: (value: Value) => void

  /** `dropped` is told of each value that is not kept any more. */
  constructor(most: number, dropped: (value: Value) => void = () => {}) {
    this.#most = most
    this.#dropped = dropped
  }

  get(key: string): Value | undefined {
    return this.#entries.get(key)
  }

  /** Of a key that is not there yet. */
  add(key: string, value: Value): Value {
    const [first] = this.#entries
    if (this.#entries.size >= this.#most && first !== undefined) {
      this.#entries.delete(first[0])
      this.#dropped(first[1])
    }
    this.#entries.set(key, value)
    return value
  }

  clear(): void {
    for (const value of this.#entries.values()) this.#dropped(value)
    this.#entries.clear()
  }
}
