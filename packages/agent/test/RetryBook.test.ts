import { assert, describe, it } from "@effect/vitest"
import type { PassResult } from "@patela/agent/pass/Pass"
import {
  afterPass,
  contendedIn,
  emptyBook,
  forgetRetries,
  holdBy,
  nextDue,
  type RetryBook
} from "@patela/agent/watch/RetryBook"
import type { ChangeView } from "@patela/domain/reconciler/Change"
import { Effect, Schema } from "effect"

const MINUTE = 60_000
const change = (address: string): ChangeView => ({
  kind: "units",
  address,
  scope: "node",
  action: "update",
  reason: "drift",
  needs: [],
  lines: []
})

/** A pass over the kind in which these failed and those were corrected. */
const passed = (
  failed: ReadonlyArray<string>,
  corrected: ReadonlyArray<string> = [],
  held: ReadonlyArray<string> = []
): Pick<PassResult, "convergence" | "looked"> => ({
  looked: new Set(["units"]),
  convergence: {
    changes: corrected.map(change),
    failures: failed.map((address) => ({ kind: "units", address, scope: "node", message: "it broke" })),
    blocked: [],
    held: held.map((address) => ({ kind: "units", address, scope: "node", why: "later" })),
    remaining: [],
    rolledBack: undefined,
    lookedAt: new Map(),
    cameUp: new Set()
  }
})

const Random = Schema.Finite.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 0.999 })))
const Failures = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 40 })))

const failing = (times: number, random: number): { readonly book: RetryBook; readonly now: number } => {
  let book = emptyBook
  let now = 1_000_000
  for (let count = 0; count < times; count++) {
    book = afterPass(book, passed(["a"]), now, () => random)
    if (count < times - 1) now = nextDue(book, new Set(), now)?.at ?? now
  }
  return { book, now }
}

describe("the retry book", () => {
  it.effect.prop(
    "waits 0.5 s at first, twice as long each time, never above a minute, give or take a fifth",
    [Failures, Random],
    ([times, random]) =>
      Effect.sync(() => {
        const { book, now } = failing(times, random)
        const wait = (nextDue(book, new Set(), now)?.at ?? 0) - now
        const fair = Math.min(MINUTE, 500 * 2 ** (times - 1))
        assert.isAtLeast(wait, fair * 0.8 - 1)
        assert.isAtMost(wait, fair * 1.2 + 1)
        const why = holdBy(book, now + wait - 1)(change("a"))
        assert.strictEqual(why, "it broke", "what it waits for is said as it was")
        assert.isUndefined(holdBy(book, now + wait)(change("a")))
        assert.isUndefined(holdBy(book, now)(change("b")), "and nothing else waits")
      })
  )

  it.effect.prop(
    "a success or a new configuration makes it begin again",
    [Failures, Random],
    ([times, random]) =>
      Effect.sync(() => {
        const { book, now } = failing(times, random)
        for (const fresh of [afterPass(book, passed([], ["a"]), now, () => random), forgetRetries(book)]) {
          assert.isUndefined(nextDue(fresh, new Set(), now))
          assert.isUndefined(holdBy(fresh, now)(change("a")))
          const again = afterPass(fresh, passed(["a"]), now, () => 0.5)
          assert.strictEqual((nextDue(again, new Set(), now)?.at ?? 0) - now, 500)
        }
      })
  )

  it.effect.prop("what is held keeps its wait", [Failures, Random], ([times, random]) =>
    Effect.sync(() => {
      const { book, now } = failing(times, random)
      const later = afterPass(book, passed([], [], ["a"]), now + 1, () => random)
      assert.strictEqual(nextDue(later, new Set(), now)?.at, nextDue(book, new Set(), now)?.at)
    }))

  it("a kind that was not looked at keeps its waits", () => {
    const { book, now } = failing(3, 0.5)
    const other = { ...passed([]), looked: new Set(["addresses"]) }
    assert.strictEqual(afterPass(book, other, now, () => 0.5).retries.size, 1)
  })

  it("does not believe a time to come that a clock set back would give", () => {
    const { book, now } = failing(8, 0.5)
    assert.isUndefined(holdBy(book, now - 3_600_000)(change("a")))
  })

  it("the fifth correction in ten minutes makes a contest, which is fought once a minute and ends by itself", () => {
    let book = emptyBook
    let now = 1_000_000
    for (let count = 0; count < 5; count++) {
      assert.deepStrictEqual(contendedIn(book, now), [])
      assert.isUndefined(holdBy(book, now)(change("a")))
      book = afterPass(book, passed([], ["a"]), now, () => 0)
      now += 1000
    }
    assert.deepStrictEqual(contendedIn(book, now), ["a"])
    assert.match(holdBy(book, now)(change("a")) ?? "", /contended.*once a minute/)
    const due = nextDue(book, new Set(["a"]), now)
    assert.strictEqual(due?.at, now - 1000 + MINUTE)
    assert.isUndefined(holdBy(book, due?.at ?? 0)(change("a")))
    assert.isUndefined(nextDue(book, new Set(), now), "nothing is due while nothing differs")
    assert.deepStrictEqual(contendedIn(book, now + 10 * MINUTE), [])
    assert.strictEqual(afterPass(book, passed([]), now + 11 * MINUTE, () => 0).corrections.size, 0)
  })
})
