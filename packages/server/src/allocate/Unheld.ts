/**
 * The values of a sequence that nobody has, in their order. What somebody has by the time it is come to is never looked at
 * again, so who has something must not give it back while this is used: going through it then costs what is free, and not
 * what is taken.
 */
export class Unheld<A> {
  readonly #values: Iterator<A>
  readonly #isHeld: (value: A) => boolean
  /** Those that were come to and that nobody had then. */
  #before: ReadonlyArray<A> = []

  constructor(values: Iterable<A>, isHeld: (value: A) => boolean) {
    this.#values = values[Symbol.iterator]()
    this.#isHeld = isHeld
  }

  /** From the first on. Of two readers at once only the later one reads on. */
  *read(): Generator<A> {
    const found = this.#before.filter((value) => !this.#isHeld(value))
    this.#before = found
    yield* found.slice()
    while (this.#before === found) {
      const next = this.#values.next()
      if (next.done === true) return
      if (this.#isHeld(next.value)) continue
      found.push(next.value)
      yield next.value
    }
  }
}
