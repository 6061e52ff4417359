/**
 * The values of a generator, made once however often they are gone through: of names and addresses the first thousands are
 * looked at again at each allocation. Values are kept as far as anybody went.
 */
export const remembered = <A>(values: () => Generator<A>): () => Generator<A> => {
  const made: Array<A> = []
  const source = values()
  return function*() {
    for (let index = 0;; index += 1) {
      if (index === made.length) {
        const next = source.next()
        if (next.done === true) return
        made.push(next.value)
      }
      const value = made[index]
      if (value !== undefined) yield value
    }
  }
}
