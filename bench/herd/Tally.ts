/** One request of a played node, in milliseconds. */
export interface Timed {
  readonly what: string
  /** Whether a kept connection was there for it. */
  readonly connected: boolean
  /** Until it had one. */
  readonly connecting: number
  /** From then to the end of its answer. */
  readonly answering: number
}

/** What became of requests. */
export class Tally {
  readonly requests: Array<Timed> = []
  /** Answers that should not be, and connections that broke, as text. */
  readonly errors: Array<string> = []

  /** Of the answers alone, whatever the connection took. */
  get answering(): ReadonlyArray<number> {
    return this.requests.map((request) => request.answering)
  }

  /** Of those that had no connection yet. */
  get connecting(): ReadonlyArray<number> {
    return this.requests.flatMap(({ connecting, connected }) => connected ? [] : [connecting])
  }
}
