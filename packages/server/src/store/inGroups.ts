import { Cause, Deferred, Effect, Exit, Option } from "effect"
import { SqlClient } from "effect/sql"
import { isOfAll } from "./StoreFailed.ts"

/** What is done together. */
export interface Grouped<Item, A, E, R> {
  /** No two with one key are in a group: the second of them is to see what came of the first. */
  readonly keyOf: (item: Item) => string | number
  /** Does them in one transaction, each as if those before it had been done already: what came of each, in their order. */
  readonly run: (items: ReadonlyArray<Item>) => Effect.Effect<ReadonlyArray<A>, E, R>
}

/** The most of one group: what it keeps locked others wait for. */
const MOST = 64

const UNANSWERED = new Error("a group came back with fewer answers than it was asked for")

interface Waiting<Item, A, E> {
  readonly item: Item
  readonly answer: Deferred.Deferred<A, E>
}

/**
 * Has a crowd share its transactions: while one is under way those who come wait, and are the next one together. Each alone
 * would wait for the turn and the disk as often as there are others. Nobody is answered before the commit. Where a group
 * fails, each of it is done alone, so that nobody fails for another's sake; not where the database failed all of them.
 *
 * Inside of a transaction it is done there and then, by itself.
 */
export const inGroups = Effect.fnUntraced(function*<Item, A, E, R>({ keyOf, run }: Grouped<Item, A, E, R>) {
  const sql = yield* SqlClient.SqlClient
  const scope = yield* Effect.scope
  let waiting: ReadonlyArray<Waiting<Item, A, E>> = []
  let underWay: ReadonlyArray<Waiting<Item, A, E>> = []
  let busy = false

  /** The next group, or nothing, and then nobody is at it any more. */
  const next = Effect.sync(() => {
    const keys = new Set<string | number>()
    const group: Array<Waiting<Item, A, E>> = []
    const rest: Array<Waiting<Item, A, E>> = []
    for (const one of waiting) {
      const key = keyOf(one.item)
      // Behind one that has to wait, its like waits too.
      const first = !keys.has(key) && keys.size < MOST
      keys.add(key)
      if (first) group.push(one)
      else rest.push(one)
    }
    waiting = rest
    underWay = group
    busy = group.length > 0
    return group
  })

  const refuse = (group: ReadonlyArray<Waiting<Item, A, E>>, cause: Cause.Cause<E>) =>
    Effect.forEach(group, ({ answer }) => Deferred.failCause(answer, cause), { discard: true })

  const serve = Effect.fnUntraced(function*(group: ReadonlyArray<Waiting<Item, A, E>>) {
    const done = yield* Effect.exit(run(group.map(({ item }) => item)))
    if (Exit.isFailure(done)) return done.cause
    const results = done.value[Symbol.iterator]()
    for (const { answer } of group) {
      const result = results.next()
      if (result.done === true) yield* Deferred.die(answer, UNANSWERED)
      else yield* Deferred.succeed(answer, result.value)
    }
    return undefined
  })

  const serveApart = Effect.fnUntraced(function*(group: ReadonlyArray<Waiting<Item, A, E>>, together: Cause.Cause<E>) {
    let cause = together
    for (const [index, one] of group.entries()) {
      if (Cause.hasInterrupts(cause) || isOfAll(Cause.squash(cause))) return yield* refuse(group.slice(index), cause)
      const failed = yield* serve([one])
      if (failed === undefined) continue
      yield* refuse([one], failed)
      cause = failed
    }
  })

  const work = Effect.gen(function*() {
    for (let group = yield* next; group.length > 0; group = yield* next) {
      const failed = yield* serve(group)
      if (failed === undefined) continue
      yield* group.length === 1 ? refuse(group, failed) : serveApart(group, failed)
    }
  }).pipe(Effect.onInterrupt(() => Effect.suspend(() => refuse([...underWay, ...waiting], Cause.interrupt()))))

  const ask = Effect.fnUntraced(function*(item: Item) {
    if (Option.isSome(yield* Effect.serviceOption(sql.transactionService))) {
      for (const result of yield* run([item])) return result
      return yield* Effect.die(UNANSWERED)
    }
    const mine: Waiting<Item, A, E> = { item, answer: yield* Deferred.make<A, E>() }
    waiting = [...waiting, mine]
    if (!busy) {
      busy = true
      // Of nobody who asks: one who goes away does not take the others along.
      yield* Effect.forkIn(work, scope)
    }
    return yield* Effect.onInterrupt(Deferred.await(mine.answer), () =>
      Effect.sync(() => {
        waiting = waiting.filter((one) => one !== mine)
      }))
  })
  return ask
})
