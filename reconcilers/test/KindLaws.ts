import { assert } from "@effect/vitest"
import type { DesiredInput, Kind } from "@patela/domain/reconciler/Kind"
import type { Outcome } from "@patela/domain/reconciler/Outcome"
import { relayScope, type ResourceAddress, type Scope } from "@patela/domain/reconciler/Resource"
import { RelayName } from "@patela/domain/relay/RelayName"
import { Cause, Effect, Exit, Layer } from "effect"
import { LedgerReader } from "../src/ledger/LedgerReader.ts"
import { LedgerWriter } from "../src/ledger/LedgerWriter.ts"
import {
  disowning,
  disowningAddresses,
  nothingOwned,
  type Owned,
  owning,
  owningAddresses
} from "../src/ledger/Owned.ts"
import { Lifetime } from "./Lifetime.ts"
import { overheard } from "./Overheard.ts"

/** A host in memory. Every change of it goes through `write`, which can kill the agent in its place. */
export class FakeHost extends Lifetime {
  owned: Owned

  constructor(owned: Partial<Owned> = {}) {
    super()
    this.owned = { ...nothingOwned, ...owned }
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
        disown: (part, names) => Effect.suspend(() => update(disowning(this.owned, part, names))),
        ownAddresses: (added, anew) => Effect.suspend(() => update(owningAddresses(this.owned, added, anew))),
        disownAddresses: (gone) => Effect.suspend(() => update(disowningAddresses(this.owned, gone)))
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

/**
 * How a property over random hosts and configurations tries the laws: some cases at every kill point and with every relay
 * broken in turn, and a thousand at one of each. An option of the property and a word for its name.
 */
export const CASES = [
  { kills: "every", runs: { arbitrary: { runs: 100 } }, said: "killed at every write" },
  { kills: "one", runs: { arbitrary: { runs: 1000 } }, said: "in a thousand cases" }
] as const
export type Kills = typeof CASES[number]["kills"]

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
 * with none. `settled` asserts more of each world that has converged. With `kills` "one", one kill point and one broken relay
 * stand for all: which ones the input says, so that a case is the same when it is repeated. The value has what failed with
 * no relay broken.
 */
export const kindLaws = Effect.fnUntraced(function*<Read, Write, W extends World<Read | Write>>(
  kind: Kind<Read, Write>,
  input: DesiredInput,
  worldOf: (broken: Broken) => W,
  settled: (world: W, failed: ReadonlySet<string>) => void = () => {},
  kills: Kills = "every"
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

  /** What comes of a world in which the agent is killed before its write of this number, and then made to run again. */
  const killedAt = Effect.fnUntraced(function*(writes: number) {
    const world = worldOf(new Set())
    const before = structuredClone(world.foreign())
    world.host.killAfter(writes)
    const first = yield* Effect.exit(passOn(world))
    world.host.killAfter(Number.POSITIVE_INFINITY)
    const wasKilled = Exit.isFailure(first) && Cause.squash(first.cause) === "killed"
    const run = wasKilled ? yield* passOn(world) : yield* first
    const failed = failedOf(run.outcomes)

    yield* isInSyncBut(world, (address) => failed.has(address))
    const count = world.host.writes
    assert.deepStrictEqual(failedOf((yield* passOn(world)).outcomes), failed, "what failed fails again")
    assert.strictEqual(world.host.writes, count, "law 2: a second apply writes nothing")
    assert.deepStrictEqual(world.foreign(), before, "law 3: what is foreign stays")
    settled(world, failed)
    return { ...run, failed, writes: count }
  })

  const sound = yield* killedAt(Number.POSITIVE_INFINITY)
  const isChanged = [...sound.outcomes.values()].some(({ done }) => done)
  assert.isTrue(!isChanged || sound.writes > 0, "what is done was written, and the world saw it")
  assert.isBelow(sound.writes, MOST_WRITES, "the kind stops writing")
  const chosen = chooserFor(kills, [input.config, sound.changes])
  for (const writes of chosen([...Array(sound.writes).keys()])) {
    assert.deepStrictEqual((yield* killedAt(writes)).failed, sound.failed, "law 4: a kill makes nothing fail")
  }
  for (const broken of chosen(faultsAmong(sound.changes))) {
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
  return sound.failed
})

/** All of a list, or one of it: which one the value that makes the case says. Pure. */
const chooserFor = (kills: Kills, about: unknown) => {
  let hash = 0
  for (const character of JSON.stringify(about)) hash = (Math.imul(hash, 31) + character.charCodeAt(0)) >>> 0
  return <A>(all: ReadonlyArray<A>): ReadonlyArray<A> =>
    kills === "every" || all.length === 0 ? all : all.slice(hash % all.length, hash % all.length + 1)
}

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
