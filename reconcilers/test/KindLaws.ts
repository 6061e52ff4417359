import { assert } from "@effect/vitest"
import type { DesiredInput, Kind } from "@patela/domain/reconciler/Kind"
import type { Outcome } from "@patela/domain/reconciler/Outcome"
import { relayScope, type ResourceAddress, type Scope } from "@patela/domain/reconciler/Resource"
import { RelayName } from "@patela/domain/relay/RelayName"
import { Cause, Effect, Exit, Layer } from "effect"
import { LedgerReader } from "../src/ledger/LedgerReader.ts"
import { LedgerWriter } from "../src/ledger/LedgerWriter.ts"
import { disowning, type Owned, owning } from "../src/ledger/Owned.ts"
import { Lifetime } from "./Lifetime.ts"
import { overheard } from "./Overheard.ts"

/** A host in memory. Every change of it goes through `write`, which can kill the agent in its place. */
export class FakeHost extends Lifetime {
  owned: Owned

  constructor(
    owned: { readonly accounts?: ReadonlyArray<RelayName>; readonly instances?: ReadonlyArray<RelayName> } = {}
  ) {
    super()
    this.owned = { accounts: owned.accounts ?? [], instances: owned.instances ?? [] }
  }

  write(change: () => void): Effect.Effect<void> {
    return this.spend(Effect.sync(change))
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

/** Relays for which the host refuses every write. */
export type Broken = ReadonlySet<RelayName>

/** A host to test a kind on, in memory or real, and what on it is not Patela's, as a value that can be compared. */
export interface World<R> {
  readonly host: Lifetime
  readonly layer: Layer.Layer<R>
  readonly foreign: () => unknown
  /** Texts that nothing shown may have in it; asked for after each run, which may have made some. */
  readonly secrets?: ReadonlyArray<string>
  /** What programs were given as arguments, where the world runs any. */
  readonly argv?: () => ReadonlyArray<string>
  /** What the fifth law says nothing of here: what wants a thing that a broken relay holds, or no write for itself. */
  readonly excused?: ReadonlySet<ResourceAddress>
}

/** The most kill points that are tried; no test world needs more writes. */
const MOST_WRITES = 200

/**
 * The laws of a kind (design, "The reconciler contract"):
 *
 * 1. after apply nothing differs but what was reported as failed;
 * 2. a second apply writes nothing;
 * 3. what is foreign stays as it is;
 * 4. an agent killed before any write converges afterwards;
 * 5. a broken relay fails, and every other has the outcome that it would have had;
 * 6. no secret stands in a change, an outcome, an error, a log, an output or the arguments of a program.
 *
 * `worldOf` makes the same world anew at every call but for the relays that are broken in it; the laws 1 to 4 are tried
 * with none. `settled` asserts more of each world that has converged. The value has what failed with no relay broken.
 */
export const kindLaws = Effect.fnUntraced(function*<Read, Write, W extends World<Read | Write>>(
  kind: Kind<Read, Write>,
  input: DesiredInput,
  worldOf: (broken: Broken) => W,
  settled: (world: W, failed: ReadonlySet<string>) => void = () => {}
) {
  const planOf = (world: W) => Effect.provide(kind.plan(input), world.layer)

  const passOn = (world: W) =>
    Effect.gen(function*() {
      const plan = yield* kind.plan(input)
      const outcomes = yield* plan.apply(() => true)
      assert.deepStrictEqual([...outcomes.keys()].sort(), plan.changes.map(({ address }) => address).sort())
      return { changes: plan.changes, refused: plan.refused, outcomes }
    }).pipe(Effect.provide(world.layer), discreet(world))

  const isInSyncBut = Effect.fnUntraced(function*(world: W, excepted: (address: ResourceAddress) => boolean) {
    const left = (yield* planOf(world)).changes.map(({ address }) => address)
    assert.deepStrictEqual(left.filter((address) => !excepted(address)), [], "law 1: in sync after apply")
  })

  const undisturbed = Effect.fnUntraced(function*() {
    const afterKills: Array<ReadonlySet<string>> = []
    for (let writes = 0; writes < MOST_WRITES; writes++) {
      const world = worldOf(new Set())
      const before = structuredClone(world.foreign())
      world.host.killAfter(writes)
      const first = yield* Effect.exit(passOn(world))
      world.host.killAfter(Number.POSITIVE_INFINITY)
      const wasKilled = Exit.isFailure(first) && Cause.squash(first.cause) === "killed"
      const failed = failedOf((wasKilled ? yield* passOn(world) : yield* first).outcomes)

      yield* isInSyncBut(world, (address) => failed.has(address))
      const count = world.host.writes
      assert.deepStrictEqual(failedOf((yield* passOn(world)).outcomes), failed, "what failed fails again")
      assert.strictEqual(world.host.writes, count, "law 2: a second apply writes nothing")
      assert.deepStrictEqual(world.foreign(), before, "law 3: what is foreign stays")
      settled(world, failed)
      if (wasKilled) afterKills.push(failed)
      else {
        const run = yield* first
        const isChanged = [...run.outcomes.values()].some(({ done }) => done)
        assert.isTrue(!isChanged || world.host.writes > 0, "what is done was written, and the world saw it")
        for (const other of afterKills) assert.deepStrictEqual(other, failed, "law 4: a kill makes nothing fail")
        return run
      }
    }
    return assert.fail("the kind never stops writing")
  })

  const sound = yield* undisturbed()
  for (const broken of faultsAmong(sound.changes)) {
    const ailing = new Set([...broken].map((name): Scope => relayScope(name)))
    const world = worldOf(broken)
    const before = structuredClone(world.foreign())
    const { changes, outcomes } = yield* passOn(world)
    const scopes = new Map([...sound.changes, ...changes].map(({ address, scope }) => [address, scope]))
    const isExcused = (address: ResourceAddress) => world.excused?.has(address) === true
    const isAiling = (address: ResourceAddress) => ailing.has(scopes.get(address) ?? "node")
    const ofOthers = (all: ReadonlyMap<ResourceAddress, Outcome>) =>
      Object.fromEntries([...all].filter(([address]) => !isExcused(address) && !isAiling(address)))
    assert.deepStrictEqual(ofOthers(outcomes), ofOthers(sound.outcomes), "law 5: the others' outcomes are the same")
    for (const [address, { done }] of sound.outcomes) {
      if (!done || !isAiling(address) || isExcused(address)) continue
      assert.notStrictEqual(outcomes.get(address)?.done, true, `law 5: ${address} is broken and says so`)
    }
    const failed = failedOf(outcomes)
    yield* isInSyncBut(world, (address) => failed.has(address) || isAiling(address) || isExcused(address))
    assert.deepStrictEqual(world.foreign(), before, "law 3: what is foreign stays, also where a relay is broken")
  }
  return failedOf(sound.outcomes)
})

const failedOf = (outcomes: ReadonlyMap<ResourceAddress, Outcome>): ReadonlySet<string> =>
  new Set([...outcomes].flatMap(([address, { done }]) => (done ? [] : [address])))

/** Each relay that something is to be done for alone, and all but each where that is more. */
const faultsAmong = (changes: ReadonlyArray<{ readonly scope: Scope }>): ReadonlyArray<Broken> => {
  const scopes = new Set(changes.map(({ scope }) => scope))
  const names = [...scopes].flatMap((scope) => scope === "node" ? [] : [RelayName.make(scope.slice("relay/".length))])
  const but = (one: RelayName) => new Set(names.filter((name) => name !== one))
  return [...names.map((name) => new Set([name])), ...(names.length > 2 ? names.map(but) : [])]
}

/** The sixth law, of one run in a world. */
const discreet = <R>(world: World<R>) =>
<A extends Shown, E, S>(
  pass: Effect.Effect<A, E, S>
): Effect.Effect<A, E, S> => {
  if (world.secrets === undefined) return pass
  return Effect.flatMap(overheard(pass), ({ exit, heard }) => {
    const shown = Exit.isSuccess(exit)
      ? JSON.stringify([exit.value.changes, exit.value.refused, [...exit.value.outcomes]])
      : Cause.pretty(exit.cause)
    const texts = [shown, ...heard, ...world.argv?.() ?? []]
    for (const secret of world.secrets ?? []) {
      const forms = [secret, JSON.stringify(secret).slice(1, -1)]
      // Not assert.notInclude: its message would have the secret in it.
      const isShown = texts.some((text) => forms.some((form) => text.includes(form)))
      assert.isFalse(isShown, "law 6: no secret is shown")
    }
    return exit
  })
}

interface Shown {
  readonly changes: unknown
  readonly refused: unknown
  readonly outcomes: ReadonlyMap<ResourceAddress, Outcome>
}

export const namesOf = (names: ReadonlyArray<string>): ReadonlyArray<RelayName> =>
  names.map((name) => RelayName.make(name))
