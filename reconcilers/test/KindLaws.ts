import { assert } from "@effect/vitest"
import type { DesiredInput, Kind, ObservationFailed } from "@patela/domain/reconciler/Kind"
import { RelayName } from "@patela/domain/relay/RelayName"
import { Effect, Exit, Layer } from "effect"
import { LedgerReader } from "../src/ledger/LedgerReader.ts"
import { LedgerWriter } from "../src/ledger/LedgerWriter.ts"
import { disowning, type Owned, owning } from "../src/ledger/Owned.ts"

/** A host in memory. Every change of it goes through `write`, which can kill the agent in its place. */
export class FakeHost {
  owned: Owned
  writes = 0
  #left = Number.POSITIVE_INFINITY

  constructor(owned: { readonly accounts?: ReadonlyArray<RelayName>; readonly instances?: ReadonlyArray<RelayName> }) {
    this.owned = { accounts: owned.accounts ?? [], instances: owned.instances ?? [] }
  }

  /** The agent dies when it is about to make its write number `writes`, counted from 0 and from now. */
  killAfter(writes: number): void {
    this.#left = writes
  }

  write(change: () => void): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.#left-- <= 0) return Effect.die("killed")
      this.writes++
      change()
      return Effect.void
    })
  }

  ledger(): Layer.Layer<LedgerReader | LedgerWriter> {
    const update = (next: Owned) => next === this.owned ? Effect.void : this.write(() => void (this.owned = next))
    return Layer.mergeAll(
      Layer.succeed(LedgerReader, { read: Effect.sync(() => this.owned) }),
      Layer.succeed(LedgerWriter, {
        own: (part, names) => Effect.suspend(() => update(owning(this.owned, part, names))),
        disown: (part, names) => Effect.suspend(() => update(disowning(this.owned, part, names)))
      })
    )
  }
}

/** A host to test a kind on, and what on it is not Patela's, as a value that can be compared. */
export interface World<R> {
  readonly host: FakeHost
  readonly layer: Layer.Layer<R>
  readonly foreign: () => unknown
  /** Texts that nothing shown may have in it. */
  readonly secrets?: ReadonlyArray<string>
}

/** The most kill points that are tried; no test world needs more writes. */
const MOST_WRITES = 200

/**
 * The laws of a kind (design, "The reconciler contract"): after apply nothing differs but what was reported as failed; a
 * second apply writes nothing; what is foreign stays as it is; an agent killed before any write converges afterwards; no
 * secret stands in what a change or an outcome says. `settled` asserts more of each world that has converged.
 */
export const kindLaws = Effect.fnUntraced(function*<Read, Write, W extends World<Read | Write>>(
  kind: Kind<Read, Write>,
  input: DesiredInput,
  worldOf: () => W,
  settled: (world: W, failed: ReadonlySet<string>) => void = () => {}
) {
  const applyAll = (
    secrets: ReadonlyArray<string>
  ): Effect.Effect<ReadonlySet<string>, ObservationFailed, Read | Write> =>
    Effect.gen(function*() {
      const plan = yield* kind.plan(input)
      const outcomes = yield* plan.apply(() => true)
      assert.deepStrictEqual([...outcomes.keys()].sort(), plan.changes.map(({ address }) => address).sort())
      const shown = JSON.stringify([plan.changes, plan.refused, [...outcomes]])
      for (const secret of secrets) assert.isFalse(shown.includes(secret), "no secret is shown")
      return new Set([...outcomes].flatMap(([address, outcome]) => (outcome.done ? [] : [address])))
    })

  for (let writes = 0; writes < MOST_WRITES; writes++) {
    const world = worldOf()
    const { foreign, host, layer, secrets = [] } = world
    const pass = Effect.provide(applyAll(secrets), layer)
    const before = structuredClone(foreign())
    host.killAfter(writes)
    const first = yield* Effect.exit(pass)
    host.killAfter(Number.POSITIVE_INFINITY)
    const failed = Exit.isSuccess(first) ? first.value : yield* pass

    const left = (yield* Effect.provide(kind.plan(input), layer)).changes.map(({ address }) => address)
    assert.deepStrictEqual(left.filter((address) => !failed.has(address)), [], "in sync after apply")
    const count = host.writes
    assert.deepStrictEqual(yield* pass, failed)
    assert.strictEqual(host.writes, count, "a second apply writes nothing")
    assert.deepStrictEqual(foreign(), before, "what is foreign stays")
    settled(world, failed)
    if (Exit.isSuccess(first)) return failed
  }
  return assert.fail("the kind never stops writing")
})

export const namesOf = (names: ReadonlyArray<string>): ReadonlyArray<RelayName> =>
  names.map((name) => RelayName.make(name))
